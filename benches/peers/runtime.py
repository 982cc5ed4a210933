"""What the engine on ONNX Runtime costs: a call, beside the runtime's own from Python on the same file; and a loop of 200 steps, value
and gradient, beside the native engine, with the time to create its session.

    pip install jax numpy torch casadi numba onnxruntime
    cargo build --release
    taskset -c 0 python benches/peers/runtime.py [target/release/libncg.so]

Medians over rounds of process time, in which all take turns.
"""

import subprocess
import sys
import time
from pathlib import Path

import onnxruntime
from models import MODELS, Model
from peers import PLACE, ROOT, Ncg, by_ncg, ctypes, np, number, pointer
from run import header, times

ADD = "(input x) (parameter k 1) (+ x k)"


def evaluation(library, engine):
    """A function that evaluates `x + k` for one sample through C. Called from Python, which costs about a microsecond itself."""
    own, (x, y, p) = Ncg(library, ADD, engine), (np.ones(1) for _ in range(3))
    one, null = number(1), ctypes.c_void_p()
    arguments = (own.session, one, pointer(x), one, one, pointer(p), pointer(y), one, one, null)
    call = own.lib.ncg_eval_f64
    return lambda _keep=(own, x, p, y): call(*arguments)


def by_runtime():
    """The same file run by ONNX Runtime's own Python package."""
    PLACE.mkdir(parents=True, exist_ok=True)
    source, target = PLACE / "add.scm", PLACE / "add.onnx"
    source.write_text(ADD)
    subprocess.run([ROOT / "target" / "release" / "ncg", "export", source, "-o", target], check=True, capture_output=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(target, options)
    feeds = {entry.name: np.ones([1] if entry.shape else []) for entry in session.get_inputs()}
    return lambda: session.run(None, feeds)


def long_loop():
    """Lotka–Volterra with 200 steps."""
    short = MODELS[2]
    program = short.program.replace("(= i 20)", "(= i 200)")
    return Model("Lotka–Volterra, 200 steps", "", program, short.inputs, short.parameters, None, [])


def main():
    library = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "release" / "libncg.so"
    names = ["ncg native", "ncg onnxruntime", f"onnxruntime {onnxruntime.__version__}, Python"]
    print(header("x + k for one sample, µs, from Python", names))
    found = times([evaluation(library, "native"), evaluation(library, "onnxruntime"), by_runtime()])
    print(f"| one call | {' | '.join(f'{seconds[0] * 1e6:.2f}' for seconds in found)} |\n")

    model = long_loop()
    print(header(f"{model.name}, value and gradient, ms", ["ncg native", "ncg onnxruntime", "first call on it"]))
    for samples in (1, 1024, 65536):
        data, members = model.data(samples), model.members()
        start = time.process_time()
        # the first of each size makes a session of its own: another constant
        model.program = model.program.replace("0.02", f"0.02{samples}")
        runs = [by_ncg(library, engine)(model, data, members)[0] for engine in ("onnxruntime", "native")]
        runs[0]()
        first = time.process_time() - start
        runtime, native = times(runs)
        print(f"| {samples:,} samples | {native[0] * 1e3:.3f} | {runtime[0] * 1e3:.2f} | {first * 1e3:.0f} |", flush=True)
        model.program = long_loop().program


if __name__ == "__main__":
    main()
