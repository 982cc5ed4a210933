"""Value and gradient of a sum of squared residuals: ncg through its C interface beside C by hand, JAX, PyTorch, CasADi and numba, in one
run on one thread.

    pip install jax numpy torch casadi numba
    cargo build --release
    taskset -c 0 python benches/peers/run.py [target/release/libncg.so]

Writes three tables to the standard output, and a chart to target/peers.svg. What is C, by hand or of CasADi, is compiled with
gcc -O3 -march=native -ffast-math.

Each time is the median over rounds of the process time of one call, after a warm-up; the rounds of the peers take turns, so that a busy
machine slows all of them. The calls of a round to ncg and to the kernels in C are made by a loop in C, the others by one in Python.
Values and gradients are compared before anything is timed. Where a peer has several ways (JAX's loop rolled or unrolled, PyTorch eager
or compiled) the fastest counts.
"""

import itertools
import math
import statistics
import sys
import time
from pathlib import Path

import peers
from models import MODELS
from peers import ROOT, by_casadi, by_hand, by_jax, by_ncg, by_numba, by_torch, casadi, jax, np, numba, torch, turns

SECONDS = 0.6
ROUNDS = 30


def ways(library, model):
    """Each column of the table: its name and its ways."""
    unrolled = {20: [20], 200: [10], 100: [10]}.get(model.steps, [])
    return {
        "C by hand": [by_hand],
        "ncg native": [by_ncg(library, "native")],
        "ncg onnxruntime": [by_ncg(library, "onnxruntime")],
        f"JAX {jax.__version__}": [by_jax(1), *map(by_jax, unrolled)],
        # compiling the steps of the longer ones takes it many minutes
        f"PyTorch {torch.__version__.split('+')[0]}": [by_torch(False), *([by_torch(True)] if model.steps <= 20 else [])],
        f"CasADi {casadi.__version__}, C": [by_casadi],
        f"numba {numba.__version__}": [by_numba],
    }


def rounds(functions, seconds=SECONDS):
    """The seconds of each function in each round; they take turns."""
    counts = []
    for function in functions:
        # machine code is made once it pays
        turns(function, 40)
        start = time.process_time()
        turns(function, 1)
        once = max(time.process_time() - start, 1e-7)
        counts.append(max(1, int(seconds / ROUNDS / once)))
    found = [[] for _ in functions]
    for _ in range(ROUNDS):
        for times, function, count in zip(found, functions, counts):
            start = time.process_time()
            turns(function, count)
            times.append((time.process_time() - start) / count)
    return found


def times(functions):
    """The median, least and greatest seconds of each function."""
    return [(statistics.median(found), min(found), max(found)) for found in rounds(functions)]


def mean(ratios):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def compare(model, samples, columns):
    """The seconds of each column of a row, by rounds, after its results are found to agree with those of C."""
    data, members = model.data(samples), model.members()
    functions, owners, wanted = [], [], None
    for name, peers_ways in columns.items():
        for way in peers_ways:
            run, result = way(model, data, members)
            run()
            values, gradient = (np.array(part) for part in result())
            sums = values.reshape(len(members), -1).sum(axis=1)
            wanted = wanted or (sums, gradient)
            for found, own in zip((sums, gradient), wanted):
                np.testing.assert_allclose(found, own, rtol=1e-7, atol=1e-7 * np.abs(own).max(), err_msg=f"{model.name}: {name}")
            functions.append(run)
            owners.append(name)
    best = {}
    for name, found in zip(owners, rounds(functions)):
        if name not in best or statistics.median(found) < statistics.median(best[name]):
            best[name] = found
    return best


def ratio(found, reference):
    """The ratio of two columns round by round: median, and the tenth and the ninth of ten."""
    ratios = sorted(one / other for one, other in zip(found, reference))
    return statistics.median(ratios), ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]


def header(first, names):
    return f"| {first} | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}"


def chart(labels, rows, names):
    """Times relative to C, on a logarithmic scale, as SVG."""
    colours = dict(zip(names, ("#1f77b4", "#7fb3d9", "#ff7f0e", "#d62728", "#2ca02c", "#9467bd")))
    left, width, bar, most = 250, 420, 7, 1000
    place = lambda ratio: left + width * math.log10(max(ratio, 0.1) * 10) / math.log10(most * 10)
    lines, y = [], 40
    bottom = y + len(rows) * (len(names) * (bar + 2) + 9)
    for x in (0.1, 1, 10, 100, 1000):
        lines.append(f'<line x1="{place(x):.1f}" x2="{place(x):.1f}" y1="30" y2="{bottom}" stroke="#ccc"/>')
        lines.append(f'<text x="{place(x):.1f}" y="24" text-anchor="middle">{x:g}</text>')
    for name, ratios in zip(labels, rows):
        lines.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{name}</text>')
        for colour, ratio in zip(colours.values(), ratios):
            lines.append(f'<rect x="{left}" y="{y}" width="{max(place(ratio) - left, 1):.1f}" height="{bar}" fill="{colour}"/>')
            lines.append(f'<text x="{place(ratio) + 4:.1f}" y="{y + 7}" font-size="8">{ratio:.1f}</text>')
            y += bar + 2
        y += 9
    for i, (who, colour) in enumerate(colours.items()):
        lines.append(f'<rect x="{10 + 118 * i}" y="{y + 6}" width="10" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{24 + 118 * i}" y="{y + 15}">{who}</text>')
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    size = f'width="730" height="{y + 24}" viewBox="0 0 730 {y + 24}"'
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<rect width="100%" height="100%" fill="white"/>\n<g {style}>\n{body}\n</g>\n</svg>\n'


def firsts(library, model):
    """The seconds from a model's text to its first gradient, of one set of parameters at 8 samples; all is made anew each time. CasADi
    evaluates its expressions here, with no C compiler."""
    data, members = [column[:8] for column in model.data(8)], model.members()[:1]

    def own(engine):
        source, number = model.source(), itertools.count(1)
        end = source.rindex("(square (- ")

        def first():
            # another constant each time: sessions of equal models are kept
            peer = peers.Ncg(library, f"{source[:end]}(+ {next(number)}e-300 {source[end:]})", engine)
            run = peers.ncg_gradient(peer, data, members)[0]
            run()
            peer.free()

        return first

    def by_jax_anew():
        jax.clear_caches()
        by_jax(1)(model, data, members)[0]()

    def casadi_expressions():
        one = peers.casadi_gradient(model, len(data), members.shape[1])
        one(casadi.DM([column[0] for column in data]), casadi.DM(members[0]))

    found = {}
    for name, function, repeats in (
        ("ncg native", own("native"), 21),
        ("ncg onnxruntime", own("onnxruntime"), 5),
        ("CasADi, evaluated", casadi_expressions, 5),
        ("JAX", by_jax_anew, 3),
    ):
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            function()
            seconds.append(time.process_time() - start)
        found[name] = statistics.median(seconds)
    return found


def main():
    library = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "release" / "libncg.so"
    names, rows, labels = list(ways(library, MODELS[0])), [], []
    print(header("µs", names))
    for model in MODELS:
        for samples in model.batches:
            found = compare(model, samples, ways(library, model))
            label = f"{model.name}, {samples:,}" if model.sets == 1 else f"{model.name}, {samples:,} samples each"
            print(f"| {label} | {' | '.join(f'{statistics.median(found[name]) * 1e6:,.1f}' for name in names)} |", flush=True)
            labels.append(f"{model.name.split(',')[0]}, {samples:,}")
            rows.append((label, {name: ratio(found[name], found[names[0]]) for name in names[1:]}))
    print("\n" + header("relative to C by hand", names[1:]))
    for label, ratios in rows:
        print(f"| {label} | {' | '.join(f'{m:.1f} ({low:.1f} to {high:.1f})' for m, low, high in ratios.values())} |")
    means = [mean([ratios[name][0] for _, ratios in rows]) for name in names[1:]]
    print(f"| geometric mean | {' | '.join(f'{value:.2f}' for value in means)} |")
    ratios = [[ratio[0] for ratio in row.values()] for _, row in rows]
    (ROOT / "target" / "peers.svg").write_text(chart(labels, ratios, [" ".join(name.split()[:2]).strip(",") for name in names[1:]]))

    table = [(model, firsts(library, model)) for model in MODELS if model.sets == 1]
    print("\n" + header("text to first gradient, ms", table[0][1]))
    for model, found in table:
        print(f"| {model.name} | {' | '.join(f'{seconds * 1e3:,.2f}' for seconds in found.values())} |")


if __name__ == "__main__":
    main()
