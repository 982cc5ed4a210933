"""Fits the three models of this folder to train.csv and compares what they say beyond it; from the project's root:

    cargo build --release
    python examples/hybrid/compare.py target/release/ncg target/hybrid

Each is fitted to the first 0.5, 1, 2 and 4 seconds in turn, every time from where the last fit ended: a network that begins as
noise is lost on a long path. The errors are root mean squares of the angle in rad, against the truth without noise. The fitted models,
and a plot, go to the folder that is named last. Standard library only.
"""

import csv
import json
import math
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# weights of networks are known to be moderate: this keeps those that the data say nothing of where they are
MODELS = {"physics": [], "network": ["--prior", "motion.*=0:3"], "hybrid": ["--prior", "friction.*=0:3"]}
TITLES = {"physics": "physics, friction c w", "network": "network alone", "hybrid": "physics and network"}
COLOURS = {"physics": "#c65102", "network": "#7f7f7f", "hybrid": "#0b5fa5"}


def read(path):
    with open(path) as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def ncg(command, *arguments):
    done = subprocess.run([command, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def fit(command, name, folder):
    """The last report, and the seconds that all fits took together."""
    model, seconds = HERE / f"{name}.scm", 0.0
    for steps in (10, 20, 40, 80):
        lines = (HERE / "train.csv").read_text().splitlines()
        data = folder / "part.csv"
        data.write_text("\n".join([lines[0]] + [line for line in lines[1:] if int(line.split(",")[1]) <= steps]) + "\n")
        fitted = folder / f"{name}-{steps}.ncg"
        start = time.perf_counter()
        report = ncg(
            command, "fit", str(model), "--data", str(data), "--target", "angle", "--sigma", "sigma", *MODELS[name],
            "--engine", "native", "--max-iterations", "100", "--ftol", "1e-5", "-o", str(fitted),
        )
        seconds += time.perf_counter() - start
        model = fitted
    return model, report, seconds


def angles(command, model, rows):
    inputs = json.dumps({name: [row[name] for row in rows] for name in ("release", "step")})
    return ncg(command, "run", str(model), "--inputs", inputs, "--engine", "native")["value"]


def rms(command, model, rows):
    found = angles(command, model, rows)
    return math.sqrt(sum((y - row["angle"]) ** 2 for y, row in zip(found, rows)) / len(rows))


def truth(w):
    return 0.1 * w + 0.15 * w * abs(w) + 0.4 * math.tanh(2 * w)


def law(command, name, report, speeds):
    """The friction that a model has found."""
    values = {name: parameter["value"] for name, parameter in report["parameters"].items()}
    if name == "physics":
        return [values["c"] * w for w in speeds]
    weights = "".join(f"(parameter {name} {value!r})" for name, value in values.items() if name.startswith("friction."))
    source = weights + '(import friction "friction.onnx") (* 0.5 (- (friction w) (friction (- w))))'
    inputs = json.dumps({"w": speeds})
    return ncg(command, "run", "-e", source, "--set", f"folder={HERE}", "--inputs", inputs)["value"]


def line(points, colour, width=1.6, dash=""):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def panel(left, top, width, height, xs, ys, labels, curves):
    """A plot with its frame: `xs` and `ys` are ranges, a curve is points, a colour and a dash."""
    at_x = lambda x: left + (x - xs[0]) / (xs[1] - xs[0]) * width
    at_y = lambda y: top + (ys[1] - y) / (ys[1] - ys[0]) * height
    out = []
    out.append(f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#444"/>')
    for i in range(5):
        x, y = xs[0] + (xs[1] - xs[0]) * i / 4, ys[0] + (ys[1] - ys[0]) * i / 4
        out.append(f'<text x="{at_x(x):.1f}" y="{top + height + 15}" text-anchor="middle">{x:g}</text>')
        out.append(f'<text x="{left - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 32}" text-anchor="middle">{labels[0]}</text>')
    out.append(f'<text x="{left}" y="{top - 8}">{labels[1]}</text>')
    for points, colour, dash in curves:
        inside = [(x, min(max(y, ys[0]), ys[1])) for x, y in points]
        out.append(line([(at_x(x), at_y(y)) for x, y in inside], colour, dash=dash))
    return "\n".join(out)


def plot(command, models, reports):
    rows = [row for row in read(HERE / "wider.csv") if row["release"] == 2.7]
    exact = [(row["step"] * 0.05, row["angle"]) for row in rows]
    motion = [(exact, "#222", "2 3")]
    for name, model in models.items():
        found = angles(command, model, rows)
        motion.append(([(row["step"] * 0.05, y) for row, y in zip(rows, found)], COLOURS[name], ""))
    speeds = [i / 10 for i in range(-60, 61)]
    friction = [([(w, truth(w)) for w in speeds], "#222", "2 3")]
    for name in ("physics", "hybrid"):
        friction.append((list(zip(speeds, law(command, name, reports[name], speeds))), COLOURS[name], ""))
    legend = [("black, dotted: the truth", "#222")] + [(TITLES[name], COLOURS[name]) for name in models]
    text = "".join(f'<text x="{50 + 210 * i + (70 if i else 0)}" y="16" fill="{c}">{t}</text>' for i, (t, c) in enumerate(legend))
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 330" font-family="sans-serif" font-size="11" fill="#222">',
        '<rect width="960" height="330" fill="white"/>',
        text,
        panel(50, 50, 560, 230, (0, 8), (-3, 3), ("time in s", "angle in rad, released at 2.7; fitted were releases up to 1.8"), motion),
        panel(680, 50, 260, 230, (-6, 6), (-4, 4), ("speed in rad/s", "friction in rad/s²"), friction),
        "</svg>\n",
    ])


def main():
    command, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    later, wider = read(HERE / "later.csv"), read(HERE / "wider.csv")
    models, reports = {}, {}
    print(f"{'':24}{'χ²/ν, 0 to 4 s':>16}{'4 to 12 s':>12}{'wider':>10}{'fits':>9}")
    for name in MODELS:
        models[name], reports[name], seconds = fit(command, name, folder)
        errors = [rms(command, models[name], rows) for rows in (later, wider)]
        fitted = reports[name]["residual_sd"] ** 2
        print(f"{TITLES[name]:24}{fitted:16.3g}{errors[0]:12.2g}{errors[1]:10.2g}{seconds:7.1f} s")
    sizes = [math.sqrt(sum(row["angle"] ** 2 for row in rows) / len(rows)) for rows in (later, wider)]
    print(f"{'the angle itself':24}{'':16}{sizes[0]:12.2g}{sizes[1]:10.2g}")
    for name in ("physics", "hybrid"):
        k = reports[name]["parameters"]["k"]
        print(f"k of {TITLES[name]}: {k['value']:.4f} ± {k['std_error']:.4f}, in truth 9")
    (folder / "hybrid.svg").write_text(plot(command, models, reports))


if __name__ == "__main__":
    main()
