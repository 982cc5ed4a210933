; error: COMPILE 2:2 let-values
(let-values (((a b) (values 1 2))) (+ a b))
