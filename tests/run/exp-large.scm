; run: (x=700) => 1.0142320547350045e+304
; grad: x => 1.0142320547350045e+304
; except: native-f32 overflows f32
(exp x)
