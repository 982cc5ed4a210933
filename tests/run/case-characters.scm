; run: () => (vowel consonant vowel)
(map (lambda (c) (case c ((#\a #\e #\i #\o #\u) 'vowel) (else 'consonant))) '(#\a #\b #\e))
