; run: () => hello
'hello
