; run: (x=1 y=0.5) => 9.790870373247817
; grad: a => 12.993645564762883
; grad: b => -5.342829499635821
; grad: c => -5.835005600984475
; grad: d => 16.884888453596815
; grad: x => 7.680141383387212
; grad: y => 3.3241720707319176
(parameter a 1.1)
(parameter b 0.4)
(parameter c 0.4)
(parameter d 0.1)
(loop ((i 0) (u x) (v y))
  (if (= i 20)
      (+ u (* 10 v))
      (recur (+ i 1)
             (+ u (* 0.1 (- (* a u) (* b u v))))
             (+ v (* 0.1 (- (* d u v) (* c v)))))))
