"""The library on a GPU: `agree` compares it with the native engine, `table` times value and gradient beside the CPU, `fits` whole
fits, `starts` fits from many starts. See cuda.sh.

All need numpy alone; `table` takes the models of benches/peers. `--device cpu` is a rehearsal without a GPU: the same code, with
the data of fits kept as on a device. A cell is left empty where the one above it lets expect more than `--seconds`.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benches" / "peers"))

PROGRAMS = [
    "(* k (exp (* (- k) x)))",
    "(if (> (* k x) 1) (log (* k x)) (* x x))",
    "(let loop ((i 0) (y x)) (if (= i 20) y (loop (+ i 1) (+ y (* 0.01 k (- 1 y))))))",
    "(let loop ((y x)) (if (> y 3) y (loop (* y (+ 1.1 k)))))",
    "(+ (tan x) (atan (* k x)) (sinh x) (erf x) (cos (* k x)) (expt x 3))",
    "(define (f y) (if (< y 1) k (+ (f (- y 1)) (* y (f (- y 2)))))) (f (* 4 x))",
]

# a program, the truth, and where the fit ends
FITS = {
    "decay": (
        "(input x) (parameter a 1.0) (parameter b 0.7) (* a (exp (* (- b) x)))",
        lambda x: 2.0 * np.exp(-1.3 * x),
        [2.0, 1.3],
    ),
    "oscillator": (
        "(input x) (parameter a 1.0) (parameter g 0.3) (parameter w 2.0) (* a (exp (* (- g) x)) (cos (* w x)))",
        lambda x: 1.4 * np.exp(-0.2 * x) * np.cos(2.2 * x),
        [1.4, 0.2, 2.2],
    ),
}
OPTIMIZERS = {
    "levmar": {},
    "lbfgs": {},
    "adam": {"learning_rate": 0.02, "max_iterations": 1000},
}


def agree(given):
    x = [0.11 + 0.17 * i for i in range(17)]
    inputs = json.dumps({"x": x, "k": 0.7})
    for program in PROGRAMS:
        answers = []
        for engine in (["--device", given.device, "--engine", "onnxruntime"], ["--engine", given.reference]):
            command = [given.ncg, "run", "-e", f"(input x) (parameter k 0.7) {program}", "--inputs", inputs]
            command += ["--grad", "x,k", "--json", *engine]
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode and "tagged" in run.stdout:
                run = subprocess.run([*command[:-1], "tagged"], capture_output=True, text=True)
            if run.returncode:
                raise SystemExit(f"{program}: {run.stdout}{run.stderr}")
            answers.append(json.loads(run.stdout))
        found, wanted = answers
        for part in (lambda a: a["value"], lambda a: a["gradient"]["x"], lambda a: [a["gradient"]["k"]]):
            np.testing.assert_allclose(part(found), part(wanted), rtol=1e-10, atol=1e-12, err_msg=program)
        print(f"agrees on {found['device']}: {program}")


class Library:
    """The C interface."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(str(path))
        self.lib.ncg_error_message.restype = ctypes.c_char_p
        for name in ("ncg_options_free", "ncg_model_free", "ncg_session_free", "ncg_fit_free"):
            getattr(self.lib, name).restype = None
        self.error = ctypes.c_void_p()

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)) != 0:
            raise SystemExit(self.lib.ncg_error_message(self.error).decode())

    def made(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def options(self, settings):
        options = self.made("ncg_options_new")
        for name, value in settings.items():
            name = name.encode()
            if isinstance(value, str):
                self.call("ncg_options_set_str", options, name, value.encode())
            elif isinstance(value, int):
                self.call("ncg_options_set_int", options, name, ctypes.c_int64(value))
            else:
                self.call("ncg_options_set_real", options, name, ctypes.c_double(value))
        return options

    def model(self, source, options):
        text = source.encode()
        return self.made("ncg_model_compile", text, ctypes.c_int64(len(text)), options)


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


COUNT, NONE = ctypes.c_int64, ctypes.c_void_p()


class Session:
    """Value and gradient."""

    def __init__(self, library, source, settings):
        self.library = library
        options = library.options(settings)
        self.session = library.made("ncg_session_new", library.model(source, options), options)

    def gradient(self, x, p, y, dp):
        """x: inputs by samples."""
        samples = x.shape[1]
        self.library.call(
            "ncg_grad_f64", self.session, COUNT(samples), pointer(x), COUNT(1), COUNT(samples), pointer(p),
            NONE, COUNT(0), COUNT(0), pointer(y), COUNT(1), COUNT(1), NONE, COUNT(0), COUNT(0), pointer(dp),
        )  # fmt: skip


class Fit:
    """A fit of one input and one target."""

    def __init__(self, library, source, settings, x, y):
        self.library = library
        options = library.options(settings)
        self.fit = library.made("ncg_fit_new", library.model(source, options), options)
        one, samples = COUNT(1), COUNT(len(x))
        library.call(
            "ncg_fit_set_data_f64", self.fit, samples, pointer(x), one, samples, pointer(y), one, samples,
            NONE, COUNT(0), COUNT(0),
        )  # fmt: skip

    def run(self):
        """The seconds that a run takes."""
        stop = ctypes.c_int32()
        start = time.perf_counter()
        self.library.call("ncg_fit_run", self.fit, ctypes.byref(stop))
        return time.perf_counter() - start

    def stat(self, name):
        value = ctypes.c_double()
        self.library.call("ncg_fit_stat", self.fit, name.encode(), ctypes.byref(value))
        return value.value

    def parameters(self):
        values = np.zeros(int(self.stat("parameters")))
        self.library.call("ncg_fit_parameters", self.fit, pointer(values), COUNT(len(values)))
        return values

    def free(self):
        self.library.lib.ncg_fit_free(self.fit)


def exponents(given):
    return range(3, given.largest + 1)


def cell(seconds):
    return "" if seconds is None else f"{seconds * 1e3:,.2f}"


def ratio(a, b):
    return "" if a is None or b is None else f"{a / b:.1f}"


def table(given):
    from models import MODELS

    library = Library(given.library)
    print(f"| model, batch | native, ms | onnxruntime cpu, ms | onnxruntime {given.device}, ms | native / {given.device} |")
    print("|---|---|---|---|---|")
    for model in MODELS:
        kinds = [
            {"engine": "native"},
            {"engine": "onnxruntime"},
            {"engine": "onnxruntime", "device": given.device},
        ]
        sessions = [Session(library, model.source(), settings) for settings in kinds]
        last = [0.0] * len(sessions)
        for exponent in exponents(given):
            samples = 10**exponent
            columns, parameters = model.data(1000), np.array(list(model.parameters.values()))
            x = np.ascontiguousarray(np.tile(np.stack(columns), max(1, samples // 1000)))
            y, slopes, best = np.zeros(samples), [], []
            for i, session in enumerate(sessions):
                if last[i] is None or last[i] * 10 > given.seconds:
                    last[i] = None
                    best.append(None)
                    continue
                dp = np.zeros(len(parameters))
                # the first call makes the session of the gradient
                rounds = [0.0, 0.0]
                for place in range(2 if last[i] > 1 else 6):
                    start = time.perf_counter()
                    session.gradient(x, parameters, y, dp)
                    rounds.append(time.perf_counter() - start)
                slopes.append(dp)
                last[i] = min(rounds[3:])
                best.append(last[i])
            for dp in slopes[1:]:
                np.testing.assert_allclose(dp, slopes[0], rtol=1e-8)
            times = " | ".join(map(cell, best))
            print(f"| {model.name}, 1e{exponent} | {times} | {ratio(best[0], best[2])} |", flush=True)
            if all(time is None for time in best):
                break


def kinds_of_fits(given):
    """Engines by name; on the device the data stay, as they do there without being asked to."""
    device = {"engine": "onnxruntime", "device": given.device}
    return {
        "native": {"engine": "native"},
        "onnxruntime cpu": {"engine": "onnxruntime", "resident": "off", "whole_fit": "off"},
        f"{given.device}, data moved": {**device, "resident": "off", "whole_fit": "off"},
        f"{given.device}, data kept": {**device, "resident": "on", "whole_fit": "on"},
    }


def fits(given):
    library, kinds = Library(given.library), kinds_of_fits(given)
    print("| model, optimizer, samples | " + " | ".join(f"{kind}, ms" for kind in kinds) + " | moved / kept |")
    print("|---|" + "---|" * (len(kinds) + 1))
    for name, (source, truth, ends) in FITS.items():
        for optimizer, more in OPTIMIZERS.items():
            last = dict.fromkeys(kinds, 0.0)
            for exponent in exponents(given):
                x = np.linspace(0.01, 5, 10**exponent)
                y, row = truth(x), []
                for kind, settings in kinds.items():
                    if last[kind] is None or last[kind] * 10 > given.seconds:
                        last[kind] = None
                        row.append(None)
                        continue
                    fit = Fit(library, source, {**settings, "optimizer": optimizer, **more}, x, y)
                    last[kind] = fit.run()
                    row.append(last[kind])
                    np.testing.assert_allclose(fit.parameters(), ends, rtol=1e-3, err_msg=f"{name} {optimizer} {kind}")
                    fit.free()
                times = " | ".join(map(cell, row))
                print(f"| {name}, {optimizer}, 1e{exponent} | {times} | {ratio(row[2], row[3])} |", flush=True)
                if all(time is None for time in row):
                    break


def starts(given):
    library, kinds = Library(given.library), kinds_of_fits(given)
    x = np.linspace(0.01, 5, 30)
    print(f"| model, optimizer, {given.starts:,} starts on {len(x)} samples | " + " | ".join(f"{kind}, ms" for kind in kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    for name, (source, truth, ends) in FITS.items():
        y = truth(x)
        for optimizer in ("levmar", "adam"):
            row = []
            for kind, settings in kinds.items():
                # Adam one start after the other is no match, and takes minutes
                if optimizer == "adam" and "kept" not in kind and given.starts > 1000:
                    row.append(None)
                    continue
                asked = {**settings, "optimizer": optimizer, "starts": given.starts, "learning_rate": 0.02}
                fit = Fit(library, source, asked, x, y)
                row.append(fit.run())
                if optimizer == "levmar":
                    # a frequency has no sign
                    np.testing.assert_allclose(abs(fit.parameters()), ends, rtol=1e-6, err_msg=f"{name} {kind}")
                fit.free()
            print(f"| {name}, {optimizer} | " + " | ".join(map(cell, row)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["agree", "table", "fits", "starts"])
    parser.add_argument("--ncg", default=str(ROOT / "target" / "release" / "ncg"))
    parser.add_argument("--library", default=str(ROOT / "target" / "release" / "libncg.so"))
    parser.add_argument("--device", default="cuda:0", help="cpu is a rehearsal without a GPU")
    parser.add_argument("--reference", default="native")
    parser.add_argument("--largest", type=int, default=8, help="the largest batch, as a power of ten")
    parser.add_argument("--starts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="what a cell may take")
    given = parser.parse_args()
    {"agree": agree, "table": table, "fits": fits, "starts": starts}[given.what](given)


if __name__ == "__main__":
    main()
