"""Whole fits: ncg through its C interface beside a Levenberg–Marquardt compiled by JAX, scipy with a Jacobian from JAX, lmfit and
Operon (in single precision), in one run on one thread; then 300 steps of Adam by ncg, JAX and PyTorch. First three fits of 1024 points,
then nine problems of NIST from both their starts.

    pip install jax numpy scipy lmfit pyoperon torch casadi numba
    cargo build --release
    taskset -c 0 python benches/peers/fits.py [target/release/libncg.so]

Each time is the median over rounds of the process time of one fit, data given and nothing compiled; the rounds of the peers take
turns. Digits in brackets are those of the worst parameter: of the fits against the values of ncg at tight tolerances, of NIST's problems
against the certified values, at most 11.
"""

import ctypes
import math
import sys
from pathlib import Path

from peers import ROOT, Ncg, jax, np, torch
from run import header, times

import lmfit  # noqa: E402
import pyoperon  # noqa: E402
import scipy  # noqa: E402
from scipy.optimize import least_squares  # noqa: E402

POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64
STEPS, RATE = 300, 0.05


class Fit(Ncg):
    """A fit of a program to columns of inputs and a target; calling it gives the parameters. `settings` are options and their
    values."""

    def __init__(self, library, source, engine, start, inputs, target, **settings):
        super().__init__(library, source, engine)
        error, options, model, self.fit = (POINTER() for _ in range(4))
        failure = ctypes.byref(error)
        self.check(self.lib.ncg_options_new(ctypes.byref(options), failure), error)
        for name, value in {"engine": engine, **settings}.items():
            if isinstance(value, str):
                self.check(self.lib.ncg_options_set_str(options, name.encode(), value.encode(), failure), error)
            elif isinstance(value, int):
                self.check(self.lib.ncg_options_set_int(options, name.encode(), NUMBER(value), failure), error)
            else:
                self.check(self.lib.ncg_options_set_real(options, name.encode(), ctypes.c_double(value), failure), error)
        text = source.encode()
        self.check(self.lib.ncg_model_compile(text, NUMBER(len(text)), options, ctypes.byref(model), failure), error)
        self.check(self.lib.ncg_fit_new(model, options, ctypes.byref(self.fit), failure), error)
        for name, value in start.items():
            real, infinity = ctypes.c_double, ctypes.c_double(math.inf)
            added = self.lib.ncg_fit_add_parameter(
                self.fit, name.encode(), real(value), real(-math.inf), infinity, failure
            )
            self.check(added, error)
        self.x = np.ascontiguousarray(np.stack(inputs))
        self.y, self.p, stop = np.array(target), np.zeros(len(start)), ctypes.c_int32()
        samples = NUMBER(len(target))
        one, none = NUMBER(1), POINTER()
        pointer = lambda array: array.ctypes.data_as(POINTER)
        self.data = (self.fit, samples, pointer(self.x), one, samples, pointer(self.y), one, one, none, one, one, failure)
        self.run = (self.fit, ctypes.byref(stop), failure)
        self.values = (self.fit, pointer(self.p), NUMBER(len(start)), failure)
        self.keep = (error, stop)

    def __call__(self):
        lib, error = self.lib, self.keep[0]
        self.check(lib.ncg_fit_set_data_f64(*self.data), error)
        self.check(lib.ncg_fit_run(*self.run), error)
        self.check(lib.ncg_fit_parameters(*self.values), error)
        return self.p


def jax_levmar(predict, start, inputs, target):
    """Levenberg–Marquardt with Marquardt's scaling, compiled whole; it ends when no parameter moves by more than 1e-12 of itself."""
    np_ = jax.numpy
    inputs, target, start = [np_.asarray(x) for x in inputs], np_.asarray(target), np_.asarray(list(start.values()))
    residuals = lambda p: predict(np_, p, *inputs) - target
    both = lambda p: (residuals(p), jax.jacfwd(residuals)(p))

    @jax.jit
    def fit(p):
        def step(state):
            p, r, j, damping, i, _ = state
            normal, slope = j.T @ j, j.T @ r
            move = np_.linalg.solve(normal + damping * np_.diag(np_.diag(normal)), -slope)
            new_r, new_j = both(p + move)
            better = np_.sum(new_r**2) <= np_.sum(r**2)
            choose = lambda new, old: np_.where(better, new, old)
            small = np_.all(np_.abs(move) <= 1e-12 * np_.abs(p))
            damping = np_.where(better, damping * 0.1, damping * 10.0)
            return choose(p + move, p), choose(new_r, r), choose(new_j, j), damping, i + 1, small

        more = lambda state: (state[4] < 100) & ~state[5]
        return jax.lax.while_loop(more, step, (p, *both(p), 1e-3, 0, False))[0]

    return lambda: np.asarray(jax.block_until_ready(fit(start)))


def scipy_fit(predict, start, inputs, target):
    """MINPACK's lmder through scipy, with tight tolerances and an exact Jacobian."""
    inputs = [jax.numpy.asarray(x) for x in inputs]
    residuals = jax.jit(lambda p: predict(jax.numpy, p, *inputs) - jax.numpy.asarray(target))
    jacobian = jax.jit(jax.jacfwd(residuals))
    start = np.array(list(start.values()))
    options = {"method": "lm", "x_scale": "jac", "ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14, "max_nfev": 5000}

    def fit():
        value, slope = lambda p: np.asarray(residuals(p)), lambda p: np.asarray(jacobian(p))
        return least_squares(value, start, jac=slope, **options).x

    return fit


def lmfit_fit(predict, start, inputs, target):
    """lmfit as it comes: leastsq with differences."""
    parameters = lmfit.create_params(**start)
    names = list(start)

    def residuals(p):
        return predict(np, [p[name].value for name in names], *inputs) - target

    def fit():
        found = lmfit.minimize(residuals, parameters)
        return np.array([found.params[name].value for name in names])

    return fit


def operon_fit(expression):
    """Operon's Levenberg–Marquardt on an expression in postfix order, in single precision; its variables are the inputs X1, X2, ... and
    its coefficients the numbers that are no integers, of which those of a start come in its order."""

    def fit(predict, start, inputs, target):
        data = np.asfortranarray(np.stack([*inputs, target], axis=1).astype(np.float32))
        dataset = pyoperon.Dataset(data)
        variables = [variable.Hash for variable in dataset.Variables]
        names = {f"X{i}": variable for i, variable in enumerate(variables, 1)}
        nodes = pyoperon.InfixParser.Parse(expression.format(*start.values()), names).Nodes
        for node in nodes:
            node.Optimize = node.IsConstant
        tree = pyoperon.Tree(nodes)
        tree.UpdateNodes()
        problem = pyoperon.Problem(dataset)
        problem.TrainingRange, problem.TestRange = pyoperon.Range(0, len(target)), pyoperon.Range(0, 1)
        problem.Target, problem.InputHashes = dataset.Variables[len(inputs)], variables[:-1]
        table = pyoperon.DispatchTable()
        optimizer = pyoperon.LMOptimizer(table, problem, 50, len(target))
        fitted, random = pyoperon.CoefficientOptimizer(optimizer), pyoperon.RandomGenerator(1)
        # postfix order lists an expression's operands from the right
        keep = (data, dataset, problem, table, optimizer)
        return lambda _keep=keep: np.array(fitted(random, tree)[1].FinalParameters)[::-1]

    return fit


def jax_adam(predict, start, inputs, target):
    """Steps of Adam on the mean squared error, compiled whole."""
    np_ = jax.numpy
    inputs, target, start = [np_.asarray(x) for x in inputs], np_.asarray(target), np_.asarray(list(start.values()))
    slope = jax.grad(lambda p: np_.mean((predict(np_, p, *inputs) - target) ** 2))

    @jax.jit
    def fit(p):
        def step(i, state):
            p, mean, square = state
            g = slope(p)
            mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
            size = RATE * mean / (1 - 0.9 ** (i + 1.0))
            return p - size / (np_.sqrt(square / (1 - 0.999 ** (i + 1.0))) + 1e-8), mean, square

        return jax.lax.fori_loop(0, STEPS, step, (p, 0 * p, 0 * p))[0]

    return lambda: np.asarray(jax.block_until_ready(fit(start)))


def torch_adam(predict, start, inputs, target):
    """The same with torch.optim, eager."""
    inputs, target = [torch.tensor(x) for x in inputs], torch.tensor(target)

    def fit():
        p = [torch.tensor(value, requires_grad=True) for value in start.values()]
        optimizer = torch.optim.Adam(p, lr=RATE)
        for _ in range(STEPS):
            optimizer.zero_grad()
            ((predict(torch, p, *inputs) - target) ** 2).mean().backward()
            optimizer.step()
        return np.array([value.item() for value in p])

    return fit


def coulomb(np_, p, q1, q2, r):
    return p[0] * q1 * q2 / (r * r)


def oscillator(np_, p, t):
    return p[0] * np_.exp(-p[1] * t) * np_.cos(p[2] * t)


def lotka_volterra(np_, p, x, y):
    for _ in range(20):
        x, y = x + 0.02 * (p[0] * x - p[1] * x * y), y + 0.02 * (p[2] * x * y - 0.9 * y)
    return x


FITS = [
    (
        "Coulomb",
        coulomb,
        "(/ (* k q1 q2) (square r))",
        {"q1": (1, 2), "q2": (1, 2), "r": (0.5, 2)},
        {"k": 1.0},
        [8.9],
        "{} * X1 * X2 / (X3 * X3)",
    ),
    (
        "damped oscillator",
        oscillator,
        "(* a (exp (- (* b t))) (cos (* w t)))",
        {"t": (0, 5)},
        {"a": 1.0, "b": 0.5, "w": 2.0},
        [1.5, 0.3, 2.2],
        "{} * exp((-{}) * X1) * cos({} * X1)",
    ),
    (
        "Lotka–Volterra, 20 steps",
        lotka_volterra,
        """(loop ((i 0) (x x0) (y y0))
             (if (= i 20) x
                 (recur (+ i 1) (+ x (* 0.02 (- (* a x) (* b x y)))) (+ y (* 0.02 (- (* c x y) (* 0.9 y)))))))""",
        {"x0": (0.5, 1.5), "y0": (0.5, 1.5)},
        {"a": 1.0, "b": 0.5, "c": 0.4},
        [1.1, 0.4, 0.3],
        None,
    ),
]


def gauss(np_, p, x):
    peak = lambda h, m, w: h * np_.exp(-(((x - m) / w) ** 2))
    return p[0] * np_.exp(-p[1] * x) + peak(*p[2:5]) + peak(*p[5:8])


NIST = {
    "Misra1a": lambda np_, p, x: p[0] * (1 - np_.exp(-p[1] * x)),
    "Chwirut2": lambda np_, p, x: np_.exp(-p[0] * x) / (p[1] + p[2] * x),
    "DanWood": lambda np_, p, x: p[0] * x ** p[1],
    "Gauss1": gauss,
    "Misra1d": lambda np_, p, x: p[0] * p[1] * x / (1 + p[1] * x),
    "Kirby2": lambda np_, p, x: (p[0] + x * (p[1] + x * p[2])) / (1 + x * (p[3] + x * p[4])),
    "Hahn1": lambda np_, p, x: (p[0] + x * (p[1] + x * (p[2] + x * p[3]))) / (1 + x * (p[4] + x * (p[5] + x * p[6]))),
    "MGH17": lambda np_, p, x: p[0] + p[1] * np_.exp(-x * p[3]) + p[2] * np_.exp(-x * p[4]),
    "Rat42": lambda np_, p, x: p[0] / (1 + np_.exp(p[1] - p[2] * x)),
}


def nist(name):
    """Both starts, the certified values, x and y."""
    lines = (ROOT / "tests" / "data" / "nist" / f"{name}.dat").read_text().splitlines()
    table = []
    for line in lines[40:]:
        if "=" not in line:
            break
        table.append([float(word) for word in line.split("=")[1].split()])
    columns = np.array(table).T
    data = np.array([[float(word) for word in line.split()] for line in lines[60:] if len(line.split()) == 2])
    return columns[:2], columns[2], data[:, 1], data[:, 0]


def digits(got, wanted):
    """Correct digits of the worst entry."""
    worst = np.max(np.abs((np.asarray(got) - wanted) / wanted))
    return 0.0 if not math.isfinite(worst) else min(11.0, max(0.0, -math.log10(max(worst, 1e-300))))


def cell(seconds, correct):
    return f"{seconds[0] * 1e6:,.0f} ({correct:.1f})"


def compare(label, fits, wanted):
    """One row: time and digits of each fit; None where there is none."""
    found = []
    for fit in fits:
        try:
            found.append(digits(np.abs(fit()), np.abs(wanted)) if fit else None)
        except (RuntimeError, ValueError):
            found.append(None)
    timed = iter(times([fit for fit, correct in zip(fits, found) if correct is not None]))
    cells = [
        "–" if not fit else "fails" if correct is None else cell(next(timed), correct) for fit, correct in zip(fits, found)
    ]
    print(f"| {label} | {' | '.join(cells)} |", flush=True)


def problem(library, name, predict, program, ranges, start, truth, expression):
    """The fits of a row, those of 300 steps of Adam, and what they should find."""
    random = np.random.default_rng(7)
    inputs = [low + (high - low) * random.random(1024) for low, high in ranges.values()]
    target = predict(np, truth, *inputs) + 0.01 * random.standard_normal(1024)
    source = "".join(f"(input {i}) " for i in ranges) + "".join(f"(parameter {n} {v!r}) " for n, v in start.items())
    own = lambda engine, **settings: Fit(library, source + program, engine, start, inputs, target, **settings)
    adam = {"optimizer": "adam", "learning_rate": RATE, "max_iterations": STEPS, "gtol": 0.0, "xtol": 0.0}
    engines, given = ("native", "onnxruntime"), (predict, start, inputs, target)
    fits = [*map(own, engines), *(make(*given) for make in (jax_levmar, scipy_fit, lmfit_fit))]
    fits.append(operon_fit(expression)(*given) if expression else None)
    steps = [*(own(engine, **adam) for engine in engines), *(make(*given) for make in (jax_adam, torch_adam))]
    return name, fits, steps, fits[0]().copy()


def main():
    library = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "release" / "libncg.so"
    own, jax_name = ["ncg native", "ncg onnxruntime"], f"JAX {jax.__version__}"
    scipy_name, lmfit_name = f"scipy {scipy.__version__} + JAX", f"lmfit {lmfit.__version__}"
    problems = [problem(library, *fit) for fit in FITS]
    print(header("1024 points, µs (digits)", [*own, jax_name, scipy_name, lmfit_name, "Operon, f32"]))
    for name, fits, _, wanted in problems:
        compare(name, fits, wanted)
    print("\n" + header(f"{STEPS} steps of Adam, µs (digits)", [*own, jax_name, f"PyTorch {torch.__version__.split('+')[0]}"]))
    for name, _, steps, wanted in problems:
        compare(name, steps, wanted)
    print("\n" + header("NIST, µs (digits)", ["ncg native", scipy_name, lmfit_name]))
    for name, predict in NIST.items():
        starts, certified, x, y = nist(name)
        program = (ROOT / "examples" / "models" / f"{name.lower()}.scm").read_text()
        for which, start in enumerate(starts, 1):
            start = {f"b{i}": float(value) for i, value in enumerate(start, 1)}
            fits = [Fit(library, program, "native", start, [x], y)]
            fits += [make(predict, start, [x], y) for make in (scipy_fit, lmfit_fit)]
            compare(f"{name}, start {which}", fits, certified)


if __name__ == "__main__":
    main()
