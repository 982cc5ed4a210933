; The procedures of the language that are written in the language itself. Names that begin with % are their helpers.

(define (map f list . lists)
  (if (null? lists)
      (%map-one f list '())
      (%map-many f (cons list lists) '())))

(define (%map-one f list done)
  (if (null? list)
      (reverse done)
      (%map-one f (cdr list) (cons (f (car list)) done))))

; as long as the shortest list
(define (%map-many f lists done)
  (if (%any-null? lists)
      (reverse done)
      (%map-many f
                 (%map-one cdr lists '())
                 (cons (apply f (%map-one car lists '())) done))))

(define (%any-null? lists)
  (if (null? lists)
      #f
      (if (null? (car lists)) #t (%any-null? (cdr lists)))))

(define (for-each f list . lists)
  (if (null? lists)
      (%map-one f list '())
      (%map-many f (cons list lists) '()))
  #f)

(define (filter keep? list)
  (%filter keep? list '()))

(define (%filter keep? list done)
  (if (null? list)
      (reverse done)
      (%filter keep? (cdr list)
               (if (keep? (car list)) (cons (car list) done) done))))

(define (fold-left f value list . lists)
  (if (null? lists)
      (%fold-left f value list)
      (%fold-left-many f value (%map-many %list (cons list lists) '()))))

(define (%list . items) items)

(define (%fold-left f value list)
  (if (null? list)
      value
      (%fold-left f (f value (car list)) (cdr list))))

(define (%fold-left-many f value rows)
  (if (null? rows)
      value
      (%fold-left-many f (apply f value (car rows)) (cdr rows))))

(define (fold-right f value list . lists)
  (if (null? lists)
      (%fold-right f value (reverse list))
      (%fold-right-many f value (reverse (%map-many %list (cons list lists) '())))))

(define (%fold-right f value list)
  (if (null? list)
      value
      (%fold-right f (f (car list) value) (cdr list))))

(define (%fold-right-many f value rows)
  (if (null? rows)
      value
      (%fold-right-many f (apply f (append (car rows) (%list value))) (cdr rows))))

; as in SRFI 1: the item comes first
(define (reduce f value list)
  (if (null? list)
      value
      (%reduce f (car list) (cdr list))))

(define (%reduce f value list)
  (if (null? list)
      value
      (%reduce f (f (car list) value) (cdr list))))
