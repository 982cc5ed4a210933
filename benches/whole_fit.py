"""Whole fits as ONNX files, in Python's onnxruntime: one call against one call an epoch, many starts against one each.

    pip install onnxruntime numpy
    cargo build --release
    python benches/whole_fit.py [--ncg target/release/ncg] [--device cpu|cuda|cuda:INDEX] [--samples 1000,100000] [--starts 1000]

Each time is the least of five, by the clock of the wall. The fits are compared before anything is timed. On CUDA the data
lie on the device before the first call, both of a whole fit and of one call an epoch; a call brings the other inputs and takes
its outputs away. The library itself does that by the options `resident` and `whole_fit`: see cuda.py.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 300
RATE = 0.01
MODELS = {
    "decay": (
        "(input x) (parameter a 1.0) (parameter b 0.7) (* a (exp (* (- b) x)))",
        lambda x: 2.0 * np.exp(-1.3 * x),
    ),
    "oscillator": (
        "(input x) (parameter a 1.0) (parameter g 0.3) (parameter w 2.0) (* a (exp (* (- g) x)) (cos (* w x)))",
        lambda x: 1.4 * np.exp(-0.2 * x) * np.cos(2.2 * x),
    ),
}


def export(ncg, source, folder, *flags):
    file = Path(folder) / ("-".join(["f", *flags]).replace("--", "") + ".onnx")
    subprocess.run(
        [ncg, "export", "-e", source, "-o", file, "--learning-rate", str(RATE), *flags], check=True, capture_output=True
    )
    return file


def session(file, device):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    provider, settings = "CPUExecutionProvider", {}
    if device != "cpu":
        provider, settings = "CUDAExecutionProvider", {"device_id": str(index_of(device)), "use_tf32": "0"}
    made = onnxruntime.InferenceSession(str(file), options, providers=[(provider, settings)])
    if made.get_providers()[0] != provider:
        raise SystemExit(f"{provider} cannot be had: {made.get_providers()}")
    return made


def index_of(device):
    return int(device.partition(":")[2] or 0)


def on_device(run, feeds, device):
    """A function that runs on inputs that lie on the device and on some more, and gives the outputs as arrays."""
    kind, index = ("cpu", 0) if device == "cpu" else ("cuda", index_of(device))
    value = lambda array: onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array), kind, index)
    values = {name: value(array) for name, array in feeds.items()}

    def call(names, more={}):
        added = {name: onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array)) for name, array in more.items()}
        return [value.numpy() for value in run.run_with_ort_values(names, values | added)]

    return call


def least(function):
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def adam(call, parameters, epochs):
    """Adam outside of the file: one call of the loss and its gradient an epoch."""
    names = ["loss", *(f"d.{name}" for name in parameters)]
    p = np.array(list(parameters.values()))
    mean, square, best = np.zeros_like(p), np.zeros_like(p), (float("inf"), p)
    for step in range(1, epochs + 2):
        loss, *slopes = call(names, dict(zip(parameters, p)))
        if loss < best[0]:
            best = (float(loss), p)
        g = np.array(slopes)
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g * g
        p = p - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return best[1]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--ncg", default=str(ROOT / "target" / "release" / "ncg"))
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--samples", default="100,10000")
    arguments.add_argument("--starts", type=int, default=1000)
    given = arguments.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}, {given.device}, {EPOCHS} epochs")
    print("| model, samples | one call, ms | a call an epoch, ms | ratio |")
    print("|---|---|---|---|")
    many = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, truth) in MODELS.items():
            fit = session(export(given.ncg, source, folder, "--fit"), given.device)
            loss = session(export(given.ncg, source, folder, "--gradient", "loss"), given.device)
            population = session(export(given.ncg, source, folder, "--fit", "--population"), given.device)
            for samples in map(int, given.samples.split(",")):
                x = np.linspace(0.01, 5, samples)
                data = {"x": x, "target.value": truth(x)}
                inputs = [info.name for info in fit.get_overridable_initializers()]
                names = [n for n in inputs if n not in ("epochs", "learning_rate", "gtol", "xtol")]
                starts = {n: float(word) for n, word in zip(names, numbers(source))}
                feeds = {**data, "epochs": np.array(EPOCHS), **{n: np.array(v) for n, v in starts.items()}}
                fitted = [f"fitted.{n}" for n in names]
                whole = on_device(fit, feeds, given.device)
                each_epoch = on_device(loss, data, given.device)
                outside = adam(each_epoch, starts, EPOCHS)
                np.testing.assert_allclose(whole(fitted), outside, rtol=1e-5)
                one = least(lambda: whole(fitted))
                each = least(lambda: adam(each_epoch, starts, EPOCHS))
                print(f"| {name}, {samples:,} | {one * 1e3:,.1f} | {each * 1e3:,.1f} | {each / one:.1f} |", flush=True)
            x = np.linspace(0.01, 5, 30)
            data = {"x": x, "target.value": truth(x), "epochs": np.array(EPOCHS)}
            random = np.random.default_rng(1)
            many_starts = {n: v * random.uniform(0.5, 1.5, (given.starts, 1)) for n, v in starts.items()}
            together = on_device(population, data | many_starts, given.device)
            few = min(given.starts, 20)
            on_its_own = on_device(fit, data, given.device)
            alone = [on_its_own(fitted, {n: many_starts[n][m, 0] for n in starts}) for m in range(few)]
            found = np.array(together(fitted))[:, :few, 0].T
            np.testing.assert_allclose(found, np.array(alone), rtol=1e-6)
            all_at_once = least(lambda: together(fitted))
            one = least(lambda: on_its_own(fitted, starts))
            many.append((name, all_at_once, one))
    print()
    print(f"| model, 30 samples | {given.starts:,} starts in one call, ms | one start, ms | ratio to one by one |")
    print("|---|---|---|---|")
    for name, together, one in many:
        ratio = one * given.starts / together
        print(f"| {name} | {together * 1e3:,.1f} | {one * 1e3:,.2f} | {ratio:,.0f} |")


def numbers(source):
    """The initial values of the parameters of a program."""
    return [word.split()[2] for word in source.replace(")", "").split("(") if word.startswith("parameter")]


if __name__ == "__main__":
    main()
