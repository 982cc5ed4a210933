"""The library on a GPU: `agree` compares it with the native engine, `table` times it beside the CPU. See cuda.sh.

Both need numpy alone; `table` takes the models of benches/peers.
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


class Session:
    """Value and gradient through the C interface."""

    def __init__(self, library, source, settings):
        self.lib = ctypes.CDLL(str(library))
        self.lib.ncg_error_message.restype = ctypes.c_char_p
        self.error = ctypes.c_void_p()
        options, model, self.session = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        self.call("ncg_options_new", ctypes.byref(options))
        for name, value in settings.items():
            self.call("ncg_options_set_str", options, name.encode(), value.encode())
        text = source.encode()
        self.call("ncg_model_compile", text, ctypes.c_int64(len(text)), options, ctypes.byref(model))
        self.call("ncg_session_new", model, options, ctypes.byref(self.session))

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)) != 0:
            raise SystemExit(self.lib.ncg_error_message(self.error).decode())

    def gradient(self, x, p, y, dp):
        """x: inputs by samples."""
        count, pointer = ctypes.c_int64, lambda array: array.ctypes.data_as(ctypes.c_void_p)
        samples, none = x.shape[1], ctypes.c_void_p()
        self.call(
            "ncg_grad_f64", self.session, count(samples), pointer(x), count(1), count(samples), pointer(p),
            none, count(0), count(0), pointer(y), count(1), count(1), none, count(0), count(0), pointer(dp),
        )  # fmt: skip


def table(given):
    from models import MODELS

    print("| model, batch | native, ms | onnxruntime cpu, ms | onnxruntime cuda, ms | native / cuda |")
    print("|---|---|---|---|---|")
    for model in MODELS:
        kinds = [
            {"engine": "native"},
            {"engine": "onnxruntime"},
            {"engine": "onnxruntime", "device": given.device},
        ]
        sessions = [Session(given.library, model.source(), settings) for settings in kinds]
        for exponent in range(3, given.largest + 1):
            samples = 10**exponent
            columns, parameters = model.data(1000), np.array(list(model.parameters.values()))
            x = np.ascontiguousarray(np.tile(np.stack(columns), max(1, samples // 1000)))
            y, slopes, best = np.zeros(samples), [], []
            for session in sessions:
                dp = np.zeros(len(parameters))
                session.gradient(x, parameters, y, dp)
                slopes.append(dp)
                rounds = []
                for _ in range(5):
                    start = time.perf_counter()
                    session.gradient(x, parameters, y, dp)
                    rounds.append(time.perf_counter() - start)
                best.append(min(rounds) * 1e3)
            for dp in slopes[1:]:
                np.testing.assert_allclose(dp, slopes[0], rtol=1e-8)
            times = " | ".join(f"{ms:,.2f}" for ms in best)
            print(f"| {model.name}, 1e{exponent} | {times} | {best[0] / best[2]:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["agree", "table"])
    parser.add_argument("--ncg", default=str(ROOT / "target" / "release" / "ncg"))
    parser.add_argument("--library", default=str(ROOT / "target" / "release" / "libncg.so"))
    parser.add_argument("--device", default="cuda:0", help="cpu is for a try without a GPU")
    parser.add_argument("--reference", default="native")
    parser.add_argument("--largest", type=int, default=8, help="the largest batch, as a power of ten")
    given = parser.parse_args()
    {"agree": agree, "table": table}[given.what](given)


if __name__ == "__main__":
    main()
