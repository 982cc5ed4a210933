; run: () => -inf.0
-inf.0
