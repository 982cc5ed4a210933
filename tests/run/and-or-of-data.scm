; run: () => (c b #f ())
(list (and 'a 'b 'c) (or #f 'b) (and 'a #f) (or #f '()))
