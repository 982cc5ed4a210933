"""Writes the data and the untrained networks of this folder; both come out the same every time.

    pip install onnx
    python make.py

The truth is a pendulum whose friction the models do not know:

    angle'' = -9 sin(angle) - 0.1 w - 0.15 w |w| - 0.4 tanh(2 w),    w = angle'

It is released at rest. train.csv holds the angle for three releases from 0.05 s to 4 s, with normal noise of 0.01 rad; later.csv
the same releases from 4 s to 12 s, and wider.csv two releases from greater angles up to 8 s, both without noise.
"""

import math
import random

import onnx
from onnx import TensorProto, helper

NOISE = 0.01
FINE = 100  # steps between two rows


def rate(angle, w):
    friction = 0.1 * w + 0.15 * w * abs(w) + 0.4 * math.tanh(2 * w)
    return w, -9 * math.sin(angle) - friction


def step(angle, w, h):
    a1, b1 = rate(angle, w)
    a2, b2 = rate(angle + h / 2 * a1, w + h / 2 * b1)
    a3, b3 = rate(angle + h / 2 * a2, w + h / 2 * b2)
    a4, b4 = rate(angle + h * a3, w + h * b3)
    return angle + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), w + h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)


def rows(release, first, last, noise):
    """The angle every 0.05 s."""
    angle, w = release, 0.0
    for i in range(1, last + 1):
        for _ in range(FINE):
            angle, w = step(angle, w, 0.05 / FINE)
        if i >= first:
            yield f"{release},{i},{angle + noise():.6f}"


def table(name, ranges, noise=None):
    columns = ["release,step,angle", ",sigma" if noise else ""]
    with open(name, "w") as file:
        file.write("".join(columns) + "\n")
        for release, first, last in ranges:
            for row in rows(release, first, last, noise or (lambda: 0.0)):
                file.write(row + (f",{NOISE}" if noise else "") + "\n")


def network(name, inputs, hidden, outputs, scale, seed):
    """A network of one hidden layer whose last weights are `scale` times random: with 0 it begins as nothing."""
    source = random.Random(seed)

    def tensor(name, rows, columns, size):
        values = [round(source.gauss(0, 1) * size, 3) for _ in range(rows * columns)]
        dims = [rows, columns] if rows > 1 or name.startswith("w") else [columns]
        return helper.make_tensor(name, TensorProto.DOUBLE, dims, values)

    def value(name, size):
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", size])

    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["a"], "hidden"),
            helper.make_node("Tanh", ["a"], ["h"], "tanh"),
            helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], "output"),
        ],
        name.removesuffix(".onnx"),
        [value("x", inputs)],
        [value("y", outputs)],
        [
            tensor("w1", inputs, hidden, 1.0),
            tensor("b1", 1, hidden, 1.0),
            tensor("w2", hidden, outputs, scale),
            tensor("b2", 1, outputs, 0.0),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="make.py")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, name)


if __name__ == "__main__":
    source = random.Random(1)
    table("train.csv", [(0.6, 1, 80), (1.2, 1, 80), (1.8, 1, 80)], lambda: source.gauss(0, NOISE))
    table("later.csv", [(0.6, 81, 240), (1.2, 81, 240), (1.8, 81, 240)])
    table("wider.csv", [(2.3, 1, 160), (2.7, 1, 160)])
    network("friction.onnx", 1, 6, 1, 0.0, 2)
    network("motion.onnx", 2, 16, 2, 0.1, 3)
