; run: () => +nan.0
+nan.0
