"""Writes tables of so many rows of two inputs and a target, in each format: python large.py ROWS."""

import sys

import numpy as np

rows = int(float(sys.argv[1]))
random = np.random.default_rng(1)
t, x = random.uniform(0, 4, rows), random.uniform(-1, 1, rows)
y = 2 * np.exp(-0.5 * t) + 0.3 * x + random.normal(0, 0.1, rows)
with open("data.csv", "w") as file:
    file.write("t,x,y\n")
    for first in range(0, rows, 100_000):
        part = slice(first, first + 100_000)
        file.writelines(f"{a:.9f},{b:.9f},{c:.9f}\n" for a, b, c in zip(t[part], x[part], y[part]))
np.save("records.npy", np.rec.fromarrays([t, x, y], names="t,x,y"))
np.save("columns.npy", np.asfortranarray(np.stack([t, x, y], 1)))
np.savez("stored.npz", t=t, x=x, y=y)
np.savez_compressed("deflated.npz", t=t, x=x, y=y)
