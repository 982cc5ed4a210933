; error: COMPILE 2:2 unquote-splicing
`,@(list 1 2)
