"""A box model of the Earth system of yearly steps: temperatures, carbon in six stores, methane, ice and the sea. Written for this
comparison in the manner of simple climate models; its constants are plausible, not fitted. And the generator of its kernels for C
and numba: `step` is run on expressions, whose list is written out with the reverse sweep behind it."""

PARAMETERS = {"feedback": 1.2, "mixing": 0.7, "beta": 0.5, "q10": 2.0, "albedo": 0.6, "thaw": 0.01}

PROGRAM = """
(define (year-of i) (* 1. i))
(define (bell t mid width) (exp (- (square (/ (- t mid) width)))))
(define (run)
  (loop ((i 0) (ts warm) (td 0.1) (ca 600.) (cu 900.) (cd 37100.) (cv 550.) (cs 1500.) (cp 1000.) (me 720.) (ice 0.9) (sea 0.))
    (if (= i 100)
        ts
        (let* ((t (year-of i))
               (emitted (* 10 scale (bell t 60. 35.)))
               (cleared (* 1.2 (exp (/ t -50.))))
               (methane (+ 300 (* 120 scale (bell t 50. 40.))))
               (ratio (log (/ ca 590.)))
               (forcing (+ (- (+ (* 5.35 ratio) (* 0.036 (- (sqrt me) 26.46))) (* 0.08 emitted)) (* albedo (- 1 ice))))
               (uptake (* mixing (- ts td)))
               (growth (* 60 (+ 1 (* beta ratio)) (- 1 (* 0.01 (square (- ts 1))))))
               (litter (* 0.109 cv))
               (decay (* 0.04 cs (exp (* 0.1 ts (log q10)))))
               (melt (* thaw cp (* 0.5 (+ 1 (tanh (- ts 2))))))
               (level (/ cu 900.))
               (flux (* 0.1 (- ca (* 590 (* level level level) (+ 1 (* 0.042 ts))))))
               (sinking (* 0.01 (- cu (* 0.0242587 cd))))
               (lifetime (* 9.1 (exp (* 0.1 (log (/ me 700.)))))))
          (recur (+ i 1)
                 (+ ts (/ (- forcing (* feedback ts) uptake) 8))
                 (+ td (/ uptake 100))
                 (- (+ ca emitted cleared decay melt) growth flux)
                 (- (+ cu flux) sinking)
                 (+ cd sinking)
                 (- (+ cv growth) litter cleared)
                 (- (+ cs litter) decay)
                 (- cp melt)
                 (- (+ me (/ (+ methane (* 5 melt)) 2.78)) (/ me lifetime))
                 (+ ice (/ (- (* 0.5 (- 1 (tanh (- ts 1.5)))) ice) 20))
                 (+ sea (* 0.003 ts) (* 0.0005 td) (* 0.01 (- 1 ice))))))))
(square (- (run) target))
"""


def start(m, scale, warm):
    values = (0.1, 600.0, 900.0, 37100.0, 550.0, 1500.0, 1000.0, 720.0, 0.9, 0.0)
    return (warm, *(0 * warm + value for value in values))


def step(m, p, state, t, scale, warm):
    feedback, mixing, beta, q10, albedo, thaw = (p[i] for i in range(6))
    ts, td, ca, cu, cd, cv, cs, cp, me, ice, sea = state
    square = lambda x: x * x
    bell = lambda mid, width: m.exp(-square((t - mid) / width))
    emitted = 10 * scale * bell(60.0, 35.0)
    cleared = 1.2 * m.exp(t / -50.0)
    methane = 300 + 120 * scale * bell(50.0, 40.0)
    ratio = m.log(ca / 590.0)
    forcing = 5.35 * ratio + 0.036 * (m.sqrt(me) - 26.46) - 0.08 * emitted + albedo * (1 - ice)
    uptake = mixing * (ts - td)
    growth = 60 * (1 + beta * ratio) * (1 - 0.01 * square(ts - 1))
    litter = 0.109 * cv
    decay = 0.04 * cs * m.exp(0.1 * ts * m.log(q10))
    melt = thaw * cp * (0.5 * (1 + m.tanh(ts - 2)))
    level = cu / 900.0
    flux = 0.1 * (ca - 590 * (level * level * level) * (1 + 0.042 * ts))
    sinking = 0.01 * (cu - 0.0242587 * cd)
    lifetime = 9.1 * m.exp(0.1 * m.log(me / 700.0))
    return (
        ts + (forcing - feedback * ts - uptake) / 8,
        td + uptake / 100,
        ca + emitted + cleared + decay + melt - growth - flux,
        cu + flux - sinking,
        cd + sinking,
        cv + growth - litter - cleared,
        cs + litter - decay,
        cp - melt,
        me + (methane + 5 * melt) / 2.78 - me / lifetime,
        ice + (0.5 * (1 - m.tanh(ts - 1.5)) - ice) / 20,
        sea + 0.003 * ts + 0.0005 * td + 0.01 * (1 - ice),
    )


class Trace:
    """A list of assignments `v = left op right` or `v = f(x)`, each made once."""

    def __init__(self):
        self.lines, self.known = [], {}

    def put(self, op, *args):
        """The name of the result."""
        if (op, args) not in self.known:
            name = f"v{len(self.lines)}"
            self.known[op, args] = name
            self.lines.append((name, op, args))
        return self.known[op, args]

    def apply(self, op, *args):
        texts = [arg.text if isinstance(arg, Expression) else repr(float(arg)) for arg in args]
        return Expression(self, self.put(op, *texts))

    def __getattr__(self, name):
        """The functions of a namespace: `exp` and the others."""
        return lambda x: self.apply(name, x)


class Expression:
    """An expression of a trace: a variable or a name that is given."""

    def __init__(self, trace, text):
        self.trace, self.text = trace, text

    def __neg__(self):
        return self.trace.apply("-", 0.0, self)


def _operator(op):
    forward = lambda self, other: self.trace.apply(op, self, other)
    backward = lambda self, other: self.trace.apply(op, other, self)
    return forward, backward


for _name, _op in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    _forward, _backward = _operator(_op)
    setattr(Expression, f"__{_name}__", _forward)
    setattr(Expression, f"__r{_name}__", _backward)

STATES = [f"s{i}" for i in range(11)]


def traced():
    """The trace of a step, and the names of the next states."""
    trace = Trace()
    name = lambda text: Expression(trace, text)
    state = step(trace, [name(p) for p in PARAMETERS], [name(s) for s in STATES], name("t"), name("scale"), name("warm"))
    return trace, [next.text for next in state]


def nodes():
    """Operations of a step."""
    return len(traced()[0].lines)


def write(op, args):
    return f"{args[0]} {op} {args[1]}" if op in "+-*/" else f"{op}({args[0]})"


def sweep(trace, results):
    """Assignments of the way back from the adjoints `a0` ... of the next states: those of the step's states and parameters by name."""
    back, adjoint = Trace(), {}
    back.lines, back.known = list(trace.lines), dict(trace.known)
    put = back.put

    def add(name, *term):
        if name[0].isdigit() or name[0] == "-" or name in ("t", "scale", "warm"):
            return
        text = put(*term) if len(term) > 1 else term[0]
        adjoint[name] = put("+", adjoint[name], text) if name in adjoint else text

    for i, name in enumerate(results):
        add(name, f"a{i}")
    for name, op, args in reversed(trace.lines):
        if name not in adjoint:
            continue
        d, x, y = adjoint[name], args[0], args[-1]
        if op == "+":
            add(x, d), add(y, d)
        elif op == "-":
            add(x, d), add(y, "-", "0.0", d)
        elif op == "*":
            add(x, "*", d, y), add(y, "*", d, x)
        elif op == "/":
            share = put("/", d, y)
            add(x, share), add(y, "-", "0.0", put("*", share, name))
        elif op == "exp":
            add(x, "*", d, name)
        elif op == "log":
            add(x, "/", d, x)
        elif op == "sqrt":
            add(x, "/", put("*", "0.5", d), name)
        elif op == "tanh":
            add(x, "*", d, put("-", "1.0", put("*", name, name)))
        else:
            raise ValueError(op)
    return back.lines, adjoint


def c_kernel():
    """The kernel of kernels.c's kind: eight samples at once, the states of all steps kept, the steps evaluated again on the way back."""
    trace, results = traced()
    lines, adjoint = sweep(trace, results)
    count, steps = len(STATES), 100
    statements = lambda lines: "\n".join(f"        const double {name} = {write(op, args)};" for name, op, args in lines)
    load = "\n".join(f"        const double {s} = keep[step][{i}][l];" for i, s in enumerate(STATES))
    first = start(None, 0.0, 0.0)[1:]
    begin = "\n".join(f"        keep[0][{i}][l] = {value!r};" for i, value in enumerate(first, 1))
    forth = "\n".join(f"        keep[step + 1][{i}][l] = {name};" for i, name in enumerate(results))
    loads = "\n".join(f"        const double a{i} = a[{i}][l];" for i in range(count))
    back = "\n".join(f"        a[{i}][l] = {adjoint.get(s, '0.0')};" for i, s in enumerate(STATES))
    slopes = "\n".join(f"        d[{i}][l] += {adjoint[p]};" for i, p in enumerate(PARAMETERS))
    given = ", ".join(f"{p} = p[{i}]" for i, p in enumerate(PARAMETERS))
    sums = "\n".join(f"        dp[{i}] += d[{i}][l];" for i in range(len(PARAMETERS)))
    return f"""
#include <math.h>
#include <stddef.h>
enum {{ LANES = 8 }};
void earth(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {{
    const double {given};
    for (int i = 0; i < {len(PARAMETERS)}; i++) dp[i] = 0;
    for (ptrdiff_t i = 0; i < n; i += LANES) {{ /* n is a multiple */
        double keep[{steps + 1}][{count}][LANES], a[{count}][LANES] = {{0}}, d[{len(PARAMETERS)}][LANES] = {{0}};
        for (int l = 0; l < LANES; l++) {{
        keep[0][0][l] = x[n + i + l];
{begin}
        }}
        for (int step = 0; step < {steps}; step++) {{
        const double t = step;
        _Pragma("omp simd")
        for (int l = 0; l < LANES; l++) {{
        const double scale = x[i + l];
{load}
{statements(trace.lines)}
{forth}
        }}
        }}
        for (int l = 0; l < LANES; l++) {{
            const double residual = keep[{steps}][0][l] - x[2 * n + i + l];
            y[i + l] = residual * residual;
            a[0][l] = 2 * residual;
        }}
        for (int step = {steps - 1}; step >= 0; step--) {{
        const double t = step;
        _Pragma("omp simd")
        for (int l = 0; l < LANES; l++) {{
        const double scale = x[i + l];
{load}
{loads}
{statements(lines)}
{back}
{slopes}
        }}
        }}
        for (int l = 0; l < LANES; l++) {{
{sums}
        }}
    }}
}}
"""


def numba_kernel():
    """The same for numba, as the text of a Python function `earth(x, p, y, dp)`: a sample at a time."""
    trace, results = traced()
    lines, adjoint = sweep(trace, results)
    count, steps = len(STATES), 100
    indent = " " * 12
    statements = lambda lines: "\n".join(f"{indent}{name} = {write(op, args)}" for name, op, args in lines)
    load = "\n".join(f"{indent}{s} = keep[step, {i}]" for i, s in enumerate(STATES))
    begin = "\n".join(f"        keep[0, {i}] = {value!r}" for i, value in enumerate(start(None, 0.0, 0.0)[1:], 1))
    forth = "\n".join(f"{indent}keep[step + 1, {i}] = {name}" for i, name in enumerate(results))
    adjoints = "\n".join(f"        a{i} = 0.0" for i in range(1, count))
    back = "\n".join(f"{indent}b{i} = {adjoint.get(s, '0.0')}" for i, s in enumerate(STATES))
    moves = "\n".join(f"{indent}a{i} = b{i}" for i in range(count))
    slopes = "\n".join(f"{indent}dp[{i}] += {adjoint[p]}" for i, p in enumerate(PARAMETERS))
    return f"""
from math import exp, log, sqrt, tanh
import numpy as np
def earth(x, p, y, dp):
    {", ".join(PARAMETERS)} = p
    keep = np.empty(({steps + 1}, {count}))
    dp[:] = 0.0
    for i in range(x.shape[1]):
        scale = x[0, i]
        keep[0, 0] = x[1, i]
{begin}
        for step in range({steps}):
            t = float(step)
{load}
{statements(trace.lines)}
{forth}
        residual = keep[{steps}, 0] - x[2, i]
        y[i] = residual * residual
        a0 = 2.0 * residual
{adjoints}
        for step in range({steps - 1}, -1, -1):
            t = float(step)
{load}
{statements(lines)}
{back}
{moves}
{slopes}
"""
