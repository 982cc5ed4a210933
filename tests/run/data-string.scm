; run: () => "a \"quoted\" text"
"a \"quoted\" text"
