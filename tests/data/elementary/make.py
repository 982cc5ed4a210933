"""Values of the elementary functions to 106 bits, one a line in values.txt: the function, its arguments, the nearest double, and
what that leaves out, each as a Python hexadecimal double. Arguments lie over the whole range, at every order of magnitude, and
where the kernels go from one formula to the next; every second one is a single-precision number.

    pip install mpmath
    python make.py > values.txt
"""

import random
import struct

import mpmath

mpmath.mp.prec = 400
random.seed(1)
PI = float(mpmath.pi)


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def spread(low, high, count):
    return [random.uniform(low, high) for _ in range(count)]


def magnitudes(low, high, count):
    """Numbers of either sign whose logarithms to base 10 are spread evenly."""
    return [random.choice([-1, 1]) * 10 ** random.uniform(low, high) for _ in range(count)]


def near(points, count):
    """Numbers a few units in the last place, and some thousandths, from each of the points."""
    close = [p * (1 + random.randint(-3, 3) * 2.0**-52) for p in points for _ in range(count)]
    return close + [p * (1 + random.uniform(-1e-3, 1e-3)) for p in points for _ in range(count)]


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


ONE = {
    "exp": (mpmath.exp, spread(-1, 1, 20) + spread(-745, 709, 40) + magnitudes(-20, 0, 10)),
    "log": (mpmath.log, spread(0.4, 2.5, 30) + [abs(x) for x in magnitudes(-320, 308, 40)] + near([1, 2**0.5, 0.5**0.5], 4)),
    "sin": (mpmath.sin, spread(-7, 7, 30) + magnitudes(-300, 300, 40) + near([PI / 2 * i for i in range(1, 9)], 2)),
    "cos": (mpmath.cos, spread(-7, 7, 30) + magnitudes(-300, 300, 40) + near([PI / 2 * i for i in range(1, 9)], 2)),
    "tan": (
        mpmath.tan,
        spread(-1.6, 1.6, 40) + spread(-8192, 8192, 40) + magnitudes(-320, 300, 40)
        + near([0.6744, PI / 4, 8192] + [PI / 2 * i for i in [1, 2, 3, 4, 355, 5000]], 3),
    ),
    "asin": (mpmath.asin, spread(-1, 1, 60) + magnitudes(-320, 0, 30) + [1, -1, 1 - 2**-53, 2**-53 - 1] + near([0.5], 6)),
    "acos": (mpmath.acos, spread(-1, 1, 60) + magnitudes(-320, 0, 30) + [-1, 1 - 2**-53, 2**-53 - 1] + near([0.5, -0.5], 6)),
    "atan": (mpmath.atan, spread(-3, 3, 60) + magnitudes(-320, 308, 40) + near([0.4375, 0.6875, 1.1875, 2.4375], 4)),
    "sinh": (mpmath.sinh, spread(-1.5, 1.5, 40) + spread(-710.4, 710.4, 40) + magnitudes(-320, 1, 20) + near([1, 708], 4)),
    "cosh": (mpmath.cosh, spread(-1.5, 1.5, 40) + spread(-710.4, 710.4, 40) + magnitudes(-320, 1, 20) + near([708], 4)),
    "tanh": (mpmath.tanh, spread(-1, 1, 50) + spread(-22, 22, 40) + magnitudes(-320, 308, 30) + near([0.625], 6)),
    "sigmoid": (sigmoid, spread(-5, 5, 40) + spread(-709, 50, 40)),
    "softplus": (softplus, spread(-5, 5, 40) + spread(-745, 745, 40) + near([-0.8813735870195429], 6)),
    "erf": (mpmath.erf, spread(-1.2, 1.2, 60) + spread(-6.2, 6.2, 40) + magnitudes(-320, 2, 30) + near([1, 6], 4)),
}


def powers():
    pairs = [(abs(x), y) for x, y in zip(magnitudes(-3, 3, 60), spread(-40, 40, 60))]
    pairs += [(abs(x), y) for x, y in zip(magnitudes(-300, 300, 40), spread(-1, 1, 40))]
    pairs += [(x, y) for x, y in zip(spread(0.98, 1.02, 30), magnitudes(0, 4, 30))]
    pairs += [(x, y) for x in spread(0.1, 9, 12) for y in [0.5, 1.5, -1.5, 1 / 3, 2.5]]
    pairs += [(-x, y) for x in spread(0.1, 9, 8) for y in [1.0, 2.0, 3.0, -1.0, -4.0, 41.0]]
    pairs += [(x, 2.7) for x in near([1, 1.5**0.5, 3**0.5, 2], 4)]
    # subnormal, and nearly too large
    pairs += [(2.0, y) for y in spread(-1074, -1020, 10) + spread(1015, 1023.99, 10)]
    return pairs


def points():
    pairs = list(zip(magnitudes(-2, 2, 60), magnitudes(-2, 2, 60))) + list(zip(magnitudes(-300, 300, 40), magnitudes(-300, 300, 40)))
    slopes = near([0.4375, 0.6875, 1.1875, 2.4375], 3)
    return pairs + [(s * x * 1.7, x * 1.7) for s in slopes for x in [1, -1]]


TWO = {"expt": (mpmath.power, powers()), "atan2": (mpmath.atan2, points())}


def line(name, args, value):
    high = float(value)
    return " ".join([name] + [x.hex() for x in [*args, high, float(value - high)]])


def main():
    for name, (f, xs) in ONE.items():
        for i, x in enumerate(xs):
            x = single(x) if i % 2 and abs(single(x)) > 0 and abs(x) < 1e38 else float(x)
            if name in ("asin", "acos") and abs(x) > 1:
                continue
            print(line(name, [x], f(mpmath.mpf(x))))
    for name, (f, pairs) in TWO.items():
        for i, pair in enumerate(pairs):
            small = all(1e-38 < abs(x) < 1e38 for x in pair)
            pair = [single(x) for x in pair] if i % 2 and small else [float(x) for x in pair]
            value = f(*(mpmath.mpf(x) for x in pair))
            if abs(value) < 2.0**1023:
                print(line(name, pair, value))


main()
