"""Writes the data of the example models: NAME.csv, and truth.json with the constants that they were made with.

    python examples/models/generate.py

Each equation is written a second time here, by another way where there is one (closed forms, eigenvectors, powers of
matrices, a joint density in place of a filter), so that the models and the data check each other. A table has the inputs of
the model, `y`, what was observed, and `exact`, the value without noise. Needs numpy.
"""

import json
import math
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent
TRUTH = {}


def table(name, truth, noise, inputs, value):
    """Writes NAME.csv: `value(truth, inputs)` with normal noise of the standard deviation `noise`."""
    exact = np.asarray(value(truth, inputs), dtype=float)
    # RandomState is the generator whose numbers numpy promises never to change
    seed = sum(ord(letter) * (place + 1) for place, letter in enumerate(name))
    observed = exact + noise * np.random.RandomState(seed).standard_normal(exact.shape)
    lines = [",".join([*inputs, "y", "exact"])]
    for row in zip(*inputs.values(), observed, exact):
        *given, y, wanted = (float(number) for number in row)
        lines.append(",".join([*(f"{number:.10g}" for number in given), f"{y:.8g}", repr(wanted)]))
    (FOLDER / f"{name}.csv").write_text("\n".join(lines) + "\n")
    TRUTH[name] = truth


def grid(**columns):
    """Every combination of the values of the columns."""
    mesh = np.meshgrid(*columns.values(), indexing="ij")
    return {name: values.ravel() for name, values in zip(columns, mesh)}


def signals(seed, rows, length):
    """Windows of a signal, with three decimals: u0, u1, …"""
    values = np.round(np.random.RandomState(seed).standard_normal((rows, length)), 3)
    return {f"u{place}": values[:, place] for place in range(length)}


def windows(inputs):
    return np.column_stack(list(inputs.values()))


def runge_kutta(derivative, state, step):
    first = derivative(state)
    second = derivative(state + step / 2 * first)
    third = derivative(state + step / 2 * second)
    fourth = derivative(state + step * third)
    return state + step * (first + 2 * second + 2 * third + fourth) / 6


def lotka_volterra(c, inputs):
    def derivative(state):
        hares, lynxes = state
        caught = hares * lynxes
        return np.array([c["alpha"] * hares - c["beta"] * caught, c["delta"] * caught - c["gamma"] * lynxes])

    state = np.array([inputs["hares0"], inputs["lynxes0"]])
    for _ in range(40):
        state = runge_kutta(derivative, state, inputs["years"] / 40)
    return state[0]


def sir(c, inputs):
    def one(infected0, day):
        state = np.array([1 - infected0 / 1000, infected0 / 1000])
        for half_day in range(2 * round(day)):
            contacts = c["before"] if half_day < 60 else c["after"]

            def derivative(state):
                new = contacts * state[0] * state[1]
                return np.array([-new, new - c["recovery"] * state[1]])

            state = state + 0.5 * derivative(state + 0.25 * derivative(state))
        return 1000 * state[1]

    return [one(*row) for row in zip(*inputs.values())]


def decay_chain(c, inputs):
    rates = math.log(2) / np.array([3.05, c["lead"], c["bismuth"]])
    generator = np.diag(-rates) + np.diag(rates[:2], -1)
    minute = sum(np.linalg.matrix_power(generator, order) / math.factorial(order) for order in range(5))

    def one(activity, minutes):
        nuclei = np.linalg.matrix_power(minute, round(minutes))[:, 0] * (activity / rates[0])
        return c["efficiency"] * (rates[1:] @ nuclei[1:])

    return [one(*row) for row in zip(*inputs.values())]


def logistic_map(c, inputs):
    # in the unit of the capacity
    share = inputs["insects0"] / c["capacity"]
    for _ in range(20):
        share = c["growth"] * (share - share**2)
    return share * c["capacity"]


def continued_fraction(c, inputs):
    x = 671.71381 * c["moment"] * inputs["field"] / inputs["temperature"]
    return c["saturation"] * (1 / np.tanh(x) - 1 / x)


def damped_pendulum(c, inputs):
    def one(arm, angle0, frame):
        state = np.array([angle0, 0.0])
        for _ in range(round(frame)):
            state = runge_kutta(
                lambda s: np.array([s[1], -c["g"] / arm * math.sin(s[0]) - c["drag"] * s[1]]), state, 0.05
            )
        return state[0]

    return [one(*row) for row in zip(*inputs.values())]


def iir_filter(c, inputs):
    # the response to an impulse, by dividing the two polynomials, and then a convolution
    response = np.zeros(12)
    for n in range(12):
        response[n] = [c["b0"], c["b1"], c["b2"]][n] if n < 3 else 0.0
        response[n] -= sum(c[f"a{k}"] * response[n - k] for k in (1, 2) if n >= k)
    return windows(inputs) @ response[::-1]


def moving_averages(c, inputs):
    # five convolutions are one, with the fifth power of the weights' polynomial
    weights = np.ones(1)
    for _ in range(5):
        weights = np.convolve(weights, [c["left"], 1 - c["left"] - c["right"], c["right"]])
    return windows(inputs) @ weights


def heat_equation(c, inputs):
    # the modes of the bar: each decays by itself
    second = np.diag(np.full(63, 1.0), 1) + np.diag(np.full(63, 1.0), -1) - 2 * np.eye(64)
    second[0, 0] = second[63, 63] = -1
    rates, modes = np.linalg.eigh(second)
    start = modes.T @ np.where(np.arange(64) < 20, c["hot"], c["cold"])

    def one(place, seconds):
        end = modes @ ((1 + c["diffusivity"] * seconds / 100 * rates) ** 100 * start)
        return np.interp(place, np.arange(64) + 0.5, end)

    return [one(*row) for row in zip(*inputs.values())]


def newton_sqrt(c, inputs):
    speed = np.sqrt(2 * 9.80665 * (inputs["level"] + c["offset"]))
    return 1000 * c["contraction"] * inputs["area"] * 1e-4 * speed


def horner(c, inputs):
    logarithm = np.log(inputs["resistance"])
    return 1000 / np.polyval([c["c"] / 1000, 0, c["b"], c["a"]], logarithm) - 273.15


def taylor_series(c, inputs):
    z = inputs["depth"] / np.sqrt(4 * c["diffusivity"] * inputs["hours"])
    return [c["surface"] - (c["surface"] - 0.2) * math.erf(number) for number in z]


def tracker(c):
    """The covariance of range and speed at six times: what each reading inherits from the start and from every push."""
    step = 0.5
    move = np.array([[1, step], [0, 1]])
    push = c["push"] * np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
    states = [np.diag([100.0, 25.0])]
    for _ in range(6):
        states.append(move @ states[-1] @ move.T + push)
    covariance = np.zeros((12, 12))
    for late in range(6):
        for early in range(late + 1):
            block = np.linalg.matrix_power(move, late - early) @ states[early + 1]
            covariance[2 * late : 2 * late + 2, 2 * early : 2 * early + 2] = block
            covariance[2 * early : 2 * early + 2, 2 * late : 2 * late + 2] = block.T
    return covariance + np.diag([c["range"], c["speed"]] * 6)


def kalman_filter(c, inputs):
    # the readings are jointly normal: no filter is needed
    covariance = tracker(c)
    sign, logarithm = np.linalg.slogdet(2 * np.pi * covariance)
    assert sign > 0
    u = windows(inputs)
    return -0.5 * (logarithm + np.sum(u * np.linalg.solve(covariance, u.T).T, axis=1))


def tracks(seed, rows):
    """Readings that the tracker could have seen: their noise is half to twice of what it assumes."""
    random = np.random.RandomState(seed)
    values = random.standard_normal((rows, 12)) @ np.linalg.cholesky(tracker(KALMAN)).T
    values = np.round(values * random.uniform(0.5, 2, (rows, 1)), 3)
    return {f"u{place}": values[:, place] for place in range(12)}


def carbon_cycle(c, inputs):
    content = {"air": 590, "warm": 650, "cold": 250, "middle": 7500, "deep": 30000, "plants": 550, "litter": 120, "soil": 1350}
    boxes = list(content)
    sink = 0.4 * c["mixing"]
    flows = [  # from, to, carbon a year at the contents of 1750, how many times as fast it rises
        ("air", "warm", 0.75 * 590 / 9, 1),
        ("warm", "air", 0.75 * 590 / 9, c["buffer"]),
        ("air", "cold", 0.25 * 590 / 9, 1),
        ("cold", "air", 0.25 * 590 / 9, c["buffer"]),
        ("warm", "middle", c["mixing"], 1),
        ("middle", "warm", c["mixing"], 1),
        ("cold", "deep", c["mixing"], 1),
        ("deep", "cold", c["mixing"], 1),
        ("middle", "deep", c["mixing"], 1),
        ("deep", "middle", c["mixing"], 1),
        ("cold", "deep", sink, 1),
        ("deep", "middle", sink, 1),
        ("middle", "warm", sink, 1),
        ("warm", "cold", sink, 1),
        ("air", "plants", c["growth"] * 590, 1),
        ("plants", "litter", 60, 1),
        ("litter", "air", 50, 1),
        ("litter", "soil", 10, 1),
        ("soil", "air", 10, 1),
    ]
    # the ninth row holds the emission, which is constant while it lasts
    change = np.zeros((9, 9))
    for source, drain, flow, factor in flows:
        rate = factor * flow / content[source]
        change[boxes.index(source), boxes.index(source)] -= rate
        change[boxes.index(drain), boxes.index(source)] += rate
    quiet = np.eye(9) + change + change @ change / 2
    change[0, 8] = 1
    emitting = np.eye(9) + change + change @ change / 2

    def one(emission, duration, year):
        start = np.zeros(9)
        start[8] = emission
        first = min(math.ceil(duration), round(year))
        state = np.linalg.matrix_power(emitting, first) @ start
        state[8] = 0
        return 280 + (np.linalg.matrix_power(quiet, round(year) - first) @ state)[0] / 2.124

    return [one(*row) for row in zip(*inputs.values())]


KALMAN = {"push": 1.0, "range": 4.0, "speed": 0.25}

table(
    "lotka-volterra",
    {"alpha": 0.55, "beta": 0.028, "gamma": 0.8, "delta": 0.024},
    0.3,
    grid(hares0=[20.0, 34.0, 50.0], lynxes0=[6.0, 15.0], years=np.arange(1.0, 11.0)),
    lotka_volterra,
)
table(
    "sir",
    {"before": 0.38, "after": 0.15, "recovery": 0.12},
    1.0,
    grid(infected0=[0.5, 2.0, 5.0], day=np.arange(0.0, 61.0, 3.0)),
    sir,
)
table(
    "decay-chain",
    {"lead": 26.8, "bismuth": 19.9, "efficiency": 0.3},
    0.1,
    grid(activity=[500.0, 1000.0], minutes=np.arange(0.0, 181.0, 5.0)),
    decay_chain,
)
table(
    "logistic-map",
    {"growth": 3.1, "capacity": 50.0},
    0.2,
    {"insects0": np.arange(1.0, 49.0, 0.8)},
    logistic_map,
)
table(
    "continued-fraction",
    {"saturation": 446.0, "moment": 12.0},
    1.0,
    grid(field=[0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5], temperature=[220.0, 260.0, 300.0, 350.0, 400.0]),
    continued_fraction,
)
table(
    "damped-pendulum",
    {"g": 9.81, "drag": 0.15},
    0.01,
    grid(arm=[0.8, 1.2], angle0=[0.3, 1.5], frame=np.arange(4.0, 161.0, 6.0)),
    damped_pendulum,
)
table(
    "iir-filter",
    {"b0": 0.25, "b1": 0.5, "b2": 0.25, "a1": -0.9, "a2": 0.4},
    0.01,
    signals(7, 100, 12),
    iir_filter,
)
table(
    "moving-averages",
    {"left": 0.32, "right": 0.14},
    0.01,
    signals(8, 60, 11),
    moving_averages,
)
table(
    "heat-equation",
    {"diffusivity": 0.23, "hot": 100.0, "cold": 20.0},
    0.3,
    grid(place=[2.2, 9.8, 14.3, 18.6, 21.4, 25.7, 33.1, 45.0], seconds=[20.0, 40.0, 80.0, 120.0, 160.0, 200.0]),
    heat_equation,
)
table(
    "newton-sqrt",
    {"contraction": 0.62, "offset": 0.05},
    0.01,
    grid(level=np.round(np.arange(0.05, 2.0, 0.15), 2), area=[2.0, 5.0, 12.0, 20.0]),
    newton_sqrt,
)
table(
    "horner",
    {"a": 1.129148, "b": 0.234125, "c": 0.0876741},
    0.005,
    {"resistance": np.round(np.geomspace(300, 300000, 60), 1)},
    horner,
)
table(
    "taylor-series",
    {"diffusivity": 0.058, "surface": 1.1},
    0.005,
    grid(depth=[0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6], hours=[2.0, 4.0, 6.0, 8.0, 12.0]),
    taylor_series,
)
table("kalman-filter", KALMAN, 0.05, tracks(9, 80), kalman_filter)
table(
    "carbon-cycle",
    {"buffer": 10.0, "mixing": 40.0, "growth": 0.04},
    0.05,
    grid(emission=[4.0, 10.0], duration=[10.0, 40.0, 150.0], year=np.arange(8.0, 153.0, 12.0)),
    carbon_cycle,
)

(FOLDER / "truth.json").write_text(json.dumps(TRUTH, indent=2) + "\n")
