"""The models of the comparison: as ncg programs whose value is the squared residual of a sample, as Python functions that serve every
peer that works on arrays or expressions, and by the names of their kernels in C and numba.

`m` is the namespace of the peer's functions (numpy, jax.numpy, ...); `p` the parameters; states are tuples."""

import earth
import numpy as np


class Model:
    """One row: a program, its inputs and parameters, and the same function for the peers. A model steps a state from `start` on;
    `result` takes the prediction from the last. A formula is a model of no steps."""

    def __init__(self, name, kernel, program, inputs, parameters, result, batches, start=None, step=None, steps=0, sets=1):
        self.name, self.kernel, self.program = name, kernel, program
        self.inputs, self.parameters = inputs, parameters
        self.start, self.step, self.steps, self.result = start, step, steps, result
        self.batches, self.sets = batches, sets

    def data(self, samples):
        """Inputs by column and a target, the same for everybody."""
        random = np.random.default_rng(7)
        return [low + (high - low) * random.random(samples) for low, high in self.inputs.values()]

    def members(self):
        """The parameters, one row for each set of them."""
        values = np.array(list(self.parameters.values()))
        return values * np.random.default_rng(8).uniform(0.8, 1.2, (self.sets, len(values))) if self.sets > 1 else values[None]

    def source(self):
        """The program with its declarations; the inputs come in the order of the columns."""
        inputs = "".join(f"(input {name}) " for name in self.inputs)
        parameters = "".join(f"(parameter {name} {value!r}) " for name, value in self.parameters.items())
        return inputs + parameters + self.program

    def predict(self, m, p, *inputs):
        """The prediction, its steps written out."""
        if not self.steps:
            return self.result(m, p, *inputs)
        state = self.start(m, *inputs)
        for i in range(self.steps):
            state = self.step(m, p, state, float(i), *inputs)
        return self.result(state)


HEAT = """
(define cells (iota 62 1))
(define (flow u)
  (apply vec (append (list (ref u 0))
    (map (lambda (i) (+ (ref u i) (* d (+ (- (ref u (- i 1)) (* 2 (ref u i))) (ref u (+ i 1)))))) cells)
    (list (ref u 63)))))
(define start (apply vec (map (lambda (i) (if (< i 20) hot 10.)) (iota 64))))
(square (- (loop ((i 0) (u start)) (if (= i 100) (ref u 30) (recur (+ i 1) (flow u)))) target))
"""

OSCILLATOR = "(square (- (* a (exp (- (* b t))) (cos (* w t))) target))"


def oscillator(m, p, t):
    return p[0] * m.exp(-p[1] * t) * m.cos(p[2] * t)


def predator_prey(m, p, state, i, *inputs):
    x, y = state
    return x + 0.02 * (p[0] * x - p[1] * x * y), y + 0.02 * (p[2] * x * y - 0.9 * y)


def swing(m, p, state, i, *inputs):
    a, w = state
    return a + 0.01 * w, w - 0.01 * (p[0] * m.sin(a) + p[1] * w)


def conduct(m, p, state, i, *inputs):
    u = state[0]
    inner = u[1:-1] + p[0] * ((u[:-2] - 2 * u[1:-1]) + u[2:])
    return (m.concatenate([u[:1], inner, u[-1:]]),)


MODELS = [
    Model(
        "Coulomb",
        "coulomb",
        "(square (- (/ (* k q1 q2) (square r)) target))",
        {"q1": (1, 2), "q2": (1, 2), "r": (0.5, 2), "target": (0, 1)},
        {"k": 8.9},
        lambda m, p, q1, q2, r: p[0] * q1 * q2 / (r * r),
        [1024, 65536],
    ),
    Model(
        "damped oscillator",
        "oscillator",
        OSCILLATOR,
        {"t": (0, 5), "target": (0, 1)},
        {"a": 1.5, "b": 0.3, "w": 2.2},
        oscillator,
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
        lambda state: state[0],
        [1024, 65536],
        start=lambda m, x, y: (x, y),
        step=predator_prey,
        steps=20,
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
        lambda state: state[0],
        [1024],
        start=lambda m, angle, speed: (angle, speed),
        step=swing,
        steps=200,
    ),
    Model(
        "heat equation, 64 cells × 100 steps",
        "heat",
        HEAT,
        {"hot": (20, 80), "target": (0, 1)},
        {"d": 0.2},
        lambda state: state[0][30],
        [64],
        start=lambda m, hot: (m.concatenate([m.rows(20, hot), m.rows(44, 0 * hot + 10.0)]),),
        step=conduct,
        steps=100,
    ),
    Model(
        f"Earth system, {earth.nodes()} nodes × 100 steps",
        "earth",
        earth.PROGRAM,
        {"scale": (0.5, 1.5), "warm": (0.2, 1.2), "target": (1, 4)},
        earth.PARAMETERS,
        lambda state: state[0],
        [1024],
        start=earth.start,
        step=earth.step,
        steps=100,
    ),
    Model(
        "population of 200, oscillator",
        "oscillator",
        OSCILLATOR,
        {"t": (0, 5), "target": (0, 1)},
        {"a": 1.5, "b": 0.3, "w": 2.2},
        oscillator,
        [64],
        sets=200,
    ),
]
