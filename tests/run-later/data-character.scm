; run: () => #\a
#\a
