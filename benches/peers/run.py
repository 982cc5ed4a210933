"""Value and gradient of a sum of squared residuals: ncg through its C interface beside JAX, in one run on one thread.

    pip install jax numpy
    cargo build --release
    taskset -c 0 python benches/peers/run.py [target/release/libncg.so]

Each time is the median over rounds of the process time of one call, after a warm-up; the rounds of the peers take turns, so
that a busy machine slows both. The gradients are compared before anything is timed.
"""

import ctypes
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import numpy as np  # noqa: E402

from models import MODELS  # noqa: E402

jax.config.update("jax_enable_x64", True)
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 0.6


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
        self.session = session

    def check(self, status, error):
        if status != 0:
            raise RuntimeError(self.lib.ncg_error_message(error).decode())

    def gradient(self, columns, parameters):
        """A function that computes values and gradient, and the arrays that it writes."""
        samples, count = len(columns[0]), len(columns)
        x = np.ascontiguousarray(np.stack(columns))
        y, p, dp = np.zeros(samples), np.array(parameters), np.zeros(len(parameters))
        pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
        number, null = ctypes.c_int64, ctypes.c_void_p()
        arguments = (
            self.session, number(samples), pointer(x), number(1), number(samples), pointer(p),
            null, number(0), number(0), pointer(y), number(1), number(1),
            null, number(0), number(0), pointer(dp), null,
        )  # fmt: skip
        call = self.lib.ncg_grad_f64
        # the arrays live as long as the function does
        def run(_keep=(x, p)):
            if call(*arguments) != 0:
                raise RuntimeError("ncg_grad_f64 failed")
        return run, y, dp


def jax_gradient(predict, columns, parameters):
    *inputs, target = (jax.numpy.asarray(column) for column in columns)
    p = jax.numpy.asarray(parameters)

    def loss(p, inputs, target):
        return jax.numpy.sum((predict(jax, p, *inputs) - target) ** 2)

    function = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(function(p, inputs, target))


def times(functions):
    """The median seconds of each function; they take turns."""
    counts = []
    for function in functions:
        function()
        start = time.process_time()
        function()
        once = max(time.process_time() - start, 1e-7)
        counts.append(max(1, int(SECONDS / 30 / once)))
    rounds = [[] for _ in functions]
    for _ in range(30):
        for found, function, count in zip(rounds, functions, counts):
            start = time.process_time()
            for _ in range(count):
                function()
            found.append((time.process_time() - start) / count)
    return [(statistics.median(found), min(found), max(found)) for found in rounds]


def main():
    library = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "release" / "libncg.so"
    print(f"| model, batch | ncg native, µs | ncg onnxruntime, µs | JAX {jax.__version__}, µs | JAX / native | JAX / onnxruntime |")
    print("|---|---|---|---|---|---|")
    for model in MODELS:
        for samples in model.batches:
            columns, parameters = model.data(samples), list(model.parameters.values())
            run, values, gradient = Ncg(library, model.source()).gradient(columns, parameters)
            run()
            by_runtime = Ncg(library, model.source(), "onnxruntime").gradient(columns, parameters)
            by_runtime[0]()
            for found, own in zip(by_runtime[1:], (values, gradient)):
                np.testing.assert_allclose(found, own, rtol=1e-10, atol=1e-10 * np.abs(own).max())
            rivals = [jax_gradient(predict, columns, parameters) for predict in model.predict]
            for rival in rivals:
                value, slope = rival()
                np.testing.assert_allclose(values.sum(), value, rtol=1e-10)
                np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())
            own, runtime, *others = times([run, by_runtime[0], *rivals])
            best = min(others)
            print(
                f"| {model.name}, {samples:,} | {own[0] * 1e6:,.1f} ({own[1] * 1e6:,.1f} to {own[2] * 1e6:,.1f}) "
                f"| {runtime[0] * 1e6:,.1f} ({runtime[1] * 1e6:,.1f} to {runtime[2] * 1e6:,.1f}) "
                f"| {best[0] * 1e6:,.1f} | {best[0] / own[0]:.1f} | {best[0] / runtime[0]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
