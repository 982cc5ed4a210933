; run: () => +inf.0
; A literal beyond the largest double is infinite, as IEEE rounding has it.
(* 1 1e999)
