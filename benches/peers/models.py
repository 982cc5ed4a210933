"""The models of the comparison: as ncg programs whose value is the squared residual of a sample, as JAX functions, and by the names of
their kernels in C."""

import numpy as np


class Model:
    """One row: a program, its inputs and parameters, and the same function for JAX and in C."""

    def __init__(self, name, kernel, program, inputs, parameters, predict, batches):
        self.name, self.program, self.predict, self.batches = name, program, predict, batches
        self.kernel = kernel
        self.inputs, self.parameters = inputs, parameters

    def data(self, samples):
        """Inputs by column and a target, the same for everybody."""
        random = np.random.default_rng(7)
        return [low + (high - low) * random.random(samples) for low, high in self.inputs.values()]

    def source(self):
        """The program with its declarations; the inputs come in the order of the columns."""
        inputs = "".join(f"(input {name}) " for name in self.inputs)
        parameters = "".join(f"(parameter {name} {value!r}) " for name, value in self.parameters.items())
        return inputs + parameters + self.program


def coulomb(_, p, q1, q2, r):
    return p[0] * q1 * q2 / (r * r)


def oscillator(jax, p, t):
    np_ = jax.numpy
    return p[0] * np_.exp(-p[1] * t) * np_.cos(p[2] * t)


def lotka_volterra(unroll):
    def predict(jax, p, x0, y0):
        def step(state, _):
            x, y = state
            return (x + 0.02 * (p[0] * x - p[1] * x * y), y + 0.02 * (p[2] * x * y - 0.9 * y)), None

        return jax.lax.scan(step, (x0, y0), None, length=20, unroll=unroll)[0][0]

    return predict


def pendulum(unroll):
    def predict(jax, p, angle, speed):
        def step(state, _):
            a, w = state
            return (a + 0.01 * w, w - 0.01 * (p[0] * jax.numpy.sin(a) + p[1] * w)), None

        return jax.lax.scan(step, (angle, speed), None, length=200, unroll=unroll)[0][0]

    return predict


def heat(unroll):
    def predict(jax, p, hot):
        np_ = jax.numpy
        cells = np_.arange(64)
        start = np_.where(cells[:, None] < 20, hot[None, :], 10.0)

        def step(u, _):
            inner = u[1:-1] + p[0] * ((u[:-2] - 2 * u[1:-1]) + u[2:])
            return np_.concatenate([u[:1], inner, u[-1:]]), None

        return jax.lax.scan(step, start, None, length=100, unroll=unroll)[0][30]

    return predict


HEAT = """
(define cells (iota 62 1))
(define (flow u)
  (apply vec (append (list (ref u 0))
    (map (lambda (i) (+ (ref u i) (* d (+ (- (ref u (- i 1)) (* 2 (ref u i))) (ref u (+ i 1)))))) cells)
    (list (ref u 63)))))
(define start (apply vec (map (lambda (i) (if (< i 20) hot 10.)) (iota 64))))
(square (- (loop ((i 0) (u start)) (if (= i 100) (ref u 30) (recur (+ i 1) (flow u)))) target))
"""

MODELS = [
    Model(
        "Coulomb",
        "coulomb",
        "(square (- (/ (* k q1 q2) (square r)) target))",
        {"q1": (1, 2), "q2": (1, 2), "r": (0.5, 2), "target": (0, 1)},
        {"k": 8.9},
        [coulomb],
        [1024, 65536],
    ),
    Model(
        "damped oscillator",
        "oscillator",
        "(square (- (* a (exp (- (* b t))) (cos (* w t))) target))",
        {"t": (0, 5), "target": (0, 1)},
        {"a": 1.5, "b": 0.3, "w": 2.2},
        [oscillator],
        [1024, 65536],
    ),
    Model(
        "Lotka–Volterra, 20 steps",
        "lotka_volterra",
        """(square (- (loop ((i 0) (x x0) (y y0))
             (if (= i 20) x
                 (recur (+ i 1) (+ x (* 0.02 (- (* a x) (* b x y)))) (+ y (* 0.02 (- (* c x y) (* 0.9 y)))))))
             target))""",
        {"x0": (0.5, 1.5), "y0": (0.5, 1.5), "target": (0, 1)},
        {"a": 1.1, "b": 0.4, "c": 0.3},
        [lotka_volterra(1), lotka_volterra(20)],
        [1024, 65536],
    ),
    Model(
        "damped pendulum, 200 steps",
        "pendulum",
        """(square (- (loop ((i 0) (a angle) (w speed))
             (if (= i 200) a
                 (recur (+ i 1) (+ a (* 0.01 w)) (- w (* 0.01 (+ (* g (sin a)) (* drag w)))))))
             target))""",
        {"angle": (0.1, 1), "speed": (-0.5, 0.5), "target": (0, 1)},
        {"g": 9.8, "drag": 0.2},
        [pendulum(1), pendulum(10)],
        [1024],
    ),
    Model(
        "heat equation, 64 cells × 100 steps",
        "heat",
        HEAT,
        {"hot": (20, 80), "target": (0, 1)},
        {"d": 0.2},
        [heat(1), heat(10)],
        [64],
    ),
]
