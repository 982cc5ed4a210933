"""Value and gradient of a sum of squared residuals: ncg through its C interface beside C by hand and JAX, in one run on one
thread.

    pip install jax numpy
    cargo build --release
    taskset -c 0 python benches/peers/run.py [target/release/libncg.so]

Writes the table to the standard output and a chart to target/peers.svg. The C kernels are compiled with
gcc -O3 -march=native -ffast-math.

Each time is the median over rounds of the process time of one call, after a warm-up; the rounds of the peers take turns, so
that a busy machine slows both. The calls of a round to ncg and to the C kernels are made by a loop in C, those to JAX by one in
Python. The gradients are compared before anything is timed.
"""

import ctypes
import functools
import math
import os
import statistics
import subprocess
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
FLAGS = "-O3 -march=native -ffast-math -fopenmp-simd -fno-builtin-sin -fno-builtin-cos -shared -fPIC".split()
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
        repeat, pointers = compiled_kernels().repeat_gradient, [pointer(array) for array in (x, p, y, dp)]
        # an argument of the function, so that the session lives as well
        def in_c(times, _keep=self):
            if repeat(number(times), call, self.session, number(samples), *pointers) != 0:
                raise RuntimeError("ncg_grad_f64 failed")
        run.repeat = in_c
        return run, y, dp


@functools.cache
def compiled_kernels():
    """The C kernels as a library."""
    target = ROOT / "target" / "peers-kernels.so"
    source = Path(__file__).with_name("kernels.c")
    subprocess.run(["gcc", *FLAGS, str(source), "-o", str(target), "-lmvec", "-lm"], check=True)
    return ctypes.CDLL(str(target))


def c_gradient(kernel, columns, parameters):
    """A function that runs a C kernel, and the arrays that it writes."""
    samples = len(columns[0])
    x, p = np.ascontiguousarray(np.stack(columns)), np.array(parameters)
    y, dp = np.zeros(samples), np.zeros(len(parameters))
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, p, y, dp)]
    count = ctypes.c_int64(samples)
    # the arrays live as long as the function does
    run = lambda _keep=(x, p): kernel(count, *pointers)
    repeat = compiled_kernels().repeat_kernel
    run.repeat = lambda times: repeat(ctypes.c_int64(times), kernel, count, *pointers)
    return run, y, dp


def jax_gradient(predict, columns, parameters):
    *inputs, target = (jax.numpy.asarray(column) for column in columns)
    p = jax.numpy.asarray(parameters)

    def loss(p, inputs, target):
        return jax.numpy.sum((predict(jax, p, *inputs) - target) ** 2)

    function = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(function(p, inputs, target))


def turns(function, count):
    """Calls a function so many times, in C where it has a way to be."""
    if hasattr(function, "repeat"):
        return function.repeat(count)
    for _ in range(count):
        function()


def times(functions):
    """The median seconds of each function; they take turns."""
    counts = []
    for function in functions:
        # machine code is made once it pays
        turns(function, 40)
        start = time.process_time()
        turns(function, 1)
        once = max(time.process_time() - start, 1e-7)
        counts.append(max(1, int(SECONDS / 30 / once)))
    rounds = [[] for _ in functions]
    for _ in range(30):
        for found, function, count in zip(rounds, functions, counts):
            start = time.process_time()
            turns(function, count)
            found.append((time.process_time() - start) / count)
    return [(statistics.median(found), min(found), max(found)) for found in rounds]


def micro(times):
    return f"{times[0] * 1e6:,.1f} ({times[1] * 1e6:,.1f} to {times[2] * 1e6:,.1f})"


def mean(ratios):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def chart(rows):
    """Times relative to C, on a logarithmic scale, as SVG."""
    colours = {"ncg native": "#1f77b4", "ncg onnxruntime": "#7fb3d9", "JAX": "#ff7f0e"}
    left, width, bar, most = 250, 420, 9, 1000
    place = lambda ratio: left + width * math.log10(max(ratio, 0.1) * 10) / math.log10(most * 10)
    lines, y = [], 40
    for x in (0.1, 1, 10, 100, 1000):
        lines.append(f'<line x1="{place(x):.1f}" x2="{place(x):.1f}" y1="30" y2="{len(rows) * 42 + 34}" stroke="#ccc"/>')
        lines.append(f'<text x="{place(x):.1f}" y="24" text-anchor="middle">{x:g}</text>')
    for name, ratios in rows:
        lines.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{name}</text>')
        for (who, colour), ratio in zip(colours.items(), ratios):
            lines.append(f'<rect x="{left}" y="{y}" width="{place(ratio) - left:.1f}" height="{bar}" fill="{colour}"/>')
            lines.append(f'<text x="{place(ratio) + 4:.1f}" y="{y + 8}" font-size="9">{ratio:.1f}</text>')
            y += bar + 2
        y += 9
    for i, (who, colour) in enumerate(colours.items()):
        lines.append(f'<rect x="{left + 140 * i}" y="{y + 6}" width="10" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{left + 140 * i + 15}" y="{y + 15}">{who}</text>')
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    size = f'width="720" height="{y + 24}" viewBox="0 0 720 {y + 24}"'
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<rect width="100%" height="100%" fill="white"/>\n<g {style}>\n{body}\n</g>\n</svg>\n'


def main():
    library = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "release" / "libncg.so"
    kernels = compiled_kernels()
    print(f"| model, batch | C, µs | ncg native, µs | ncg onnxruntime, µs | JAX {jax.__version__}, µs | native / C | JAX / native | JAX / onnxruntime |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for model in MODELS:
        for samples in model.batches:
            columns, parameters = model.data(samples), list(model.parameters.values())
            run, values, gradient = Ncg(library, model.source()).gradient(columns, parameters)
            run()
            by_hand = c_gradient(getattr(kernels, model.kernel), columns, parameters)
            by_runtime = Ncg(library, model.source(), "onnxruntime").gradient(columns, parameters)
            for rival, tolerance in ((by_hand, 1e-7), (by_runtime, 1e-9)):
                rival[0]()
                for found, own in zip(rival[1:], (values, gradient)):
                    np.testing.assert_allclose(found, own, rtol=tolerance, atol=tolerance * np.abs(own).max())
            rivals = [jax_gradient(predict, columns, parameters) for predict in model.predict]
            for rival in rivals:
                value, slope = rival()
                np.testing.assert_allclose(values.sum(), value, rtol=1e-10)
                np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())
            own, c, runtime, *others = times([run, by_hand[0], by_runtime[0], *rivals])
            best = min(others)
            print(
                f"| {model.name}, {samples:,} | {micro(c)} | {micro(own)} | {micro(runtime)} | {micro(best)} "
                f"| {own[0] / c[0]:.1f} | {best[0] / own[0]:.1f} | {best[0] / runtime[0]:.1f} |",
                flush=True,
            )
            rows.append((f"{model.name.split(',')[0]}, {samples:,}", [t[0] / c[0] for t in (own, runtime, best)]))
    native, runtime, rival = (mean([ratios[i] for _, ratios in rows]) for i in range(3))
    print(f"\nGeometric means, relative to C: ncg native {native:.2f}, ncg onnxruntime {runtime:.1f}, JAX {rival:.1f}.")
    (ROOT / "target" / "peers.svg").write_text(chart(rows))


if __name__ == "__main__":
    main()
