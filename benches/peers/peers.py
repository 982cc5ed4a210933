"""Each peer of the comparison: a function of a model, its data and its sets of parameters that gives a function to time and one that
gives the result: the values (or None) and the gradient of their sum, one row for each set of parameters."""

import ctypes
import functools
import math
import os
import subprocess
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import casadi  # noqa: E402
import earth  # noqa: E402
import jax  # noqa: E402
import numba  # noqa: E402
import numba_kernels  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "peers"
FLAGS = "-O3 -march=native -ffast-math -fopenmp-simd -fno-builtin-sin -fno-builtin-cos -shared -fPIC".split()


def turns(function, count):
    """Calls a function so many times: in C, where it takes the number."""
    if getattr(function, "repeats", False):
        function(count)
        return
    for _ in range(count):
        function()


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def number(value):
    return ctypes.c_int64(value)


class Ncg:
    """A session of the library."""

    def __init__(self, library, source, engine="native"):
        self.lib = ctypes.CDLL(str(library))
        self.lib.ncg_error_message.restype = ctypes.c_char_p
        self.lib.ncg_session_describe.restype = ctypes.c_char_p
        error, options, model, session = (ctypes.c_void_p() for _ in range(4))
        self.check(self.lib.ncg_options_new(ctypes.byref(options), ctypes.byref(error)), error)
        set_str = self.lib.ncg_options_set_str
        self.check(set_str(options, b"engine", engine.encode(), ctypes.byref(error)), error)
        text = source.encode()
        length = ctypes.c_int64(len(text))
        compiled = self.lib.ncg_model_compile(text, length, options, ctypes.byref(model), ctypes.byref(error))
        self.check(compiled, error)
        self.check(self.lib.ncg_session_new(model, options, ctypes.byref(session), ctypes.byref(error)), error)
        self.session, self.model, self.options = session, model, options

    def check(self, status, error):
        if status != 0:
            raise RuntimeError(self.lib.ncg_error_message(error).decode())

    def free(self):
        self.lib.ncg_session_free(self.session)
        self.lib.ncg_model_free(self.model)
        self.lib.ncg_options_free(self.options)


@functools.cache
def compile_c(name, text):
    """C text as a library."""
    PLACE.mkdir(parents=True, exist_ok=True)
    source, target = PLACE / f"{name}.c", PLACE / f"{name}.so"
    source.write_text(text)
    subprocess.run(["gcc", *FLAGS, str(source), "-o", str(target), "-lmvec", "-lm"], check=True)
    return ctypes.CDLL(str(target))


KERNELS = Path(__file__).with_name("kernels.c").read_text()


def arrays(columns, members):
    """Inputs, parameters, values and gradient in one block each."""
    samples, (sets, count) = len(columns[0]), members.shape
    x, p = np.ascontiguousarray(np.stack(columns)), np.ascontiguousarray(members)
    return x, p, np.zeros((sets, samples)), np.zeros((sets, count))


def ncg_gradient(own, columns, members):
    """A function that calls ncg_grad_f64 for each set of parameters, and the arrays that it writes."""
    x, p, y, dp = arrays(columns, members)
    call = compile_c("kernels", KERNELS).ncg_members
    gradient = ctypes.cast(own.lib.ncg_grad_f64, ctypes.c_void_p)
    (sets, count), samples = p.shape, x.shape[1]
    arguments = (gradient, own.session, number(sets), number(count), number(samples), *map(pointer, (x, p, y, dp)))

    # the arrays live as long as the function does
    def run(times=1, _keep=(own, x, p)):
        if call(number(times), *arguments) != 0:
            raise RuntimeError("ncg_grad_f64 failed")

    run.repeats = True
    return run, lambda: (y, dp)


def by_ncg(library, engine):
    """ncg through its C interface."""
    return lambda model, columns, members: ncg_gradient(Ncg(library, model.source(), engine), columns, members)


def by_hand(model, columns, members):
    """The kernels in C."""
    x, p, y, dp = arrays(columns, members)
    kernels = compile_c("kernels-earth", earth.c_kernel()) if model.kernel == "earth" else compile_c("kernels", KERNELS)
    call, kernel = compile_c("kernels", KERNELS).members, ctypes.cast(getattr(kernels, model.kernel), ctypes.c_void_p)
    (sets, count), samples = p.shape, x.shape[1]
    arguments = (kernel, number(sets), number(count), number(samples), *map(pointer, (x, p, y, dp)))
    run = lambda times=1, _keep=(x, p, kernels): call(number(times), *arguments)
    run.repeats = True
    return run, lambda: (y, dp)


def by_numba(model, columns, members):
    """The kernels by hand for numba."""
    x, p, y, dp = arrays(columns, members)
    kernel = numba_kernels.KERNELS[model.kernel]
    return lambda: numba_kernels.members(kernel, x, p, y, dp), lambda: (y, dp)


class JaxNames:
    """jax.numpy, and the rows that the heat equation needs."""

    exp, log, sin, cos, tanh, sqrt = (getattr(jax.numpy, f) for f in "exp log sin cos tanh sqrt".split())
    concatenate = staticmethod(jax.numpy.concatenate)
    rows = staticmethod(lambda count, value: jax.numpy.broadcast_to(value, (count, *value.shape)))


def by_jax(unroll):
    """JAX, compiled; its loop is a scan, unrolled so many steps at a time."""

    def peer(model, columns, members):
        *inputs, target = (jax.numpy.asarray(column) for column in columns)
        p = jax.numpy.asarray(members)

        def predict(p, *inputs):
            if not model.steps:
                return model.result(JaxNames, p, *inputs)
            forward = lambda state, i: (model.step(JaxNames, p, state, i, *inputs), None)
            years = jax.numpy.arange(float(model.steps))
            return model.result(jax.lax.scan(forward, model.start(JaxNames, *inputs), years, unroll=unroll)[0])

        loss = lambda p, inputs, target: jax.numpy.sum((predict(p, *inputs) - target) ** 2)
        function = jax.value_and_grad(loss)
        if len(members) > 1:
            function = jax.vmap(function, (0, None, None))
        else:
            p = p[0]
        function = jax.jit(function)
        run = lambda: jax.block_until_ready(function(p, inputs, target))
        return run, lambda: [np.reshape(part, (len(members), -1)) for part in run()]

    return peer


class TorchNames:
    """torch, whose functions take no numbers."""

    exp = staticmethod(lambda x: torch.exp(x) if torch.is_tensor(x) else math.exp(x))
    log, sin, cos, tanh, sqrt = (getattr(torch, f) for f in "log sin cos tanh sqrt".split())
    concatenate = staticmethod(torch.cat)
    rows = staticmethod(lambda count, value: value.expand(count, *value.shape))


def by_torch(compiled):
    """PyTorch: eager, its tape made anew with each call, or by torch.compile."""

    def peer(model, columns, members):
        *inputs, target = (torch.tensor(column) for column in columns)
        many = len(members) > 1
        p = [torch.tensor(column[:, None] if many else column[0], requires_grad=True) for column in members.T.copy()]
        values = lambda p, inputs, target: (model.predict(TorchNames, p, *inputs) - target) ** 2
        loss = lambda *given: values(*given).sum()
        loss = torch.compile(loss) if compiled else loss

        def run():
            for parameter in p:
                parameter.grad = None
            loss(p, inputs, target).backward()

        def result():
            run()
            found = values(p, inputs, target).detach().numpy().reshape(len(members), -1)
            return found, np.stack([parameter.grad.numpy().reshape(-1) for parameter in p], axis=1)

        return run, result

    return peer


class CasadiNames:
    """CasADi's functions."""

    exp, log, sin, cos, tanh, sqrt = (getattr(casadi, f) for f in "exp log sin cos tanh sqrt".split())
    concatenate = staticmethod(lambda parts: casadi.vertcat(*parts))
    rows = staticmethod(lambda count, value: casadi.repmat(value, count, 1))


def casadi_gradient(model, columns, count):
    """The squared residual of a sample and its gradient as a function of CasADi's; long loops are its accumulating maps."""
    # written out, the steps of these are too many for a C compiler
    loops = model.kernel in ("heat", "earth")
    kind = casadi.MX if loops else casadi.SX
    x, p = kind.sym("x", columns), kind.sym("p", count)
    inputs = [x[i] for i in range(columns - 1)]
    split = lambda v, n: [v[i] for i in range(n)]
    if loops:
        s, t = [casadi.SX.sym(f"s{i}") for i in range(columns - 1)], casadi.SX.sym("t")
        begin = [casadi.SX(part) for part in model.start(CasadiNames, *s)]
        sizes = [part.shape[0] for part in begin]
        state, q = casadi.SX.sym("state", sum(sizes)), casadi.SX.sym("q", count)
        cut = casadi.vertsplit(state, np.cumsum([0, *sizes]).tolist())
        after = model.step(CasadiNames, split(q, count), cut, t, *s)
        step = casadi.Function("step", [state, t, casadi.vertcat(*s), q], [casadi.vertcat(*after)])
        first = casadi.Function("first", [casadi.vertcat(*s)], [casadi.vertcat(*begin)])
        repeat = lambda v: casadi.repmat(v, 1, model.steps)
        years = casadi.DM(range(model.steps)).T
        given = casadi.vertcat(*inputs)
        last = step.mapaccum("steps", model.steps)(first(given), years, repeat(given), repeat(p))[:, -1]
        pick = casadi.Function("pick", [state], [model.result(cut)])
        value = pick(last)
    else:
        value = model.predict(CasadiNames, split(p, count), *inputs)
    residual = (value - x[columns - 1]) ** 2
    return casadi.Function("one", [x, p], [residual, casadi.gradient(residual, p)])


def by_casadi(model, columns, members):
    """C written by CasADi, mapped over the samples."""
    samples = len(columns[0])
    one = casadi_gradient(model, len(columns), members.shape[1])
    batch = one.map("batch", "serial", samples, [1], [1])
    if len(members) > 1:
        batch = batch.map("members", "serial", len(members), [0], [])
    batch = casadi.Function("batch", batch.mx_in(), batch.call(batch.mx_in()))
    code = casadi.CodeGenerator("casadi")
    code.add(batch)
    kernel = compile_c(f"casadi-{model.kernel}-{len(members)}-{samples}", code.dump()).batch
    x, p, y, dp = np.ascontiguousarray(np.stack(columns).T), members.copy(), np.zeros((len(members), samples)), np.zeros(members.shape)
    many = lambda arrays, size: (ctypes.c_void_p * size)(*[a.ctypes.data for a in arrays])
    integers, work = np.zeros(batch.sz_iw() + 1, dtype=np.int64), np.zeros(batch.sz_w() + 1)
    places = many([x, p], batch.sz_arg()), many([y, dp], batch.sz_res())

    def run(_keep=(x, p, y, dp)):
        if kernel(*places, pointer(integers), pointer(work), 0) != 0:
            raise RuntimeError("CasADi's code failed")

    return run, lambda: (y, dp)
