"""Writes the models of this folder, as PyTorch exports them, and what PyTorch itself computes with them in double precision.

    pip install torch==2.15.0 onnx==1.23.2 onnxscript==0.7.2
    python make.py

Each file has an input `x` and an output `y`. Their constants are numbers that single precision holds exactly, their
weights are in single precision. expected.json holds for each file the
inputs of some samples, the outputs, and the gradient of the weighted sum of all outputs (output i of a sample has the
weight cos(i)) by the inputs and by each weight, by its name in the file.
"""

import json

import onnx
import torch
from torch import nn
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop


class Mixed(nn.Module):
    """Normalisations, activations, and operators that move elements."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.norm = nn.LayerNorm(8)
        self.batch = nn.BatchNorm1d(8)
        self.d = nn.Linear(16, 3)

    def forward(self, x):
        a = self.a(x)
        h = nn.functional.silu(self.norm(a))
        h = self.batch(h) + h**2
        h = torch.where(h > 0, h, 0.125 * h).reshape(h.shape[0], 2, 4).transpose(1, 2)
        h = torch.cat([h.flatten(1), nn.functional.elu(a[:, :4]), nn.functional.softplus(a[:, 4:])], 1)
        return torch.log_softmax(self.d(h), -1)


class Attention(nn.Module):
    """One head of attention over a sequence."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(2, 3), nn.Linear(2, 3), nn.Linear(2, 3)

    def forward(self, x):
        scores = self.q(x) @ self.k(x).transpose(1, 2) * 0.5
        return (torch.softmax(scores, -1) @ self.v(x)).mean(1)


class Cell(nn.Module):
    """A gated recurrent unit, written out over a sequence."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(2, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, x):
        w, u = self.cell.weight_ih, self.cell.weight_hh
        h = torch.zeros(x.shape[0], 4, dtype=x.dtype)
        for t in range(x.shape[1]):
            ri, zi, ni = (x[:, t] @ w.T + self.cell.bias_ih).chunk(3, 1)
            rh, zh, nh = (h @ u.T + self.cell.bias_hh).chunk(3, 1)
            r, z = torch.sigmoid(ri + rh), torch.sigmoid(zi + zh)
            n = torch.tanh(ni + r * nh)
            h = (1 - z) * n + z * h
        return self.out(h)


class Branch(nn.Module):
    """A choice by the numbers of a sample."""

    exporting = False

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        arms = lambda x: torch.tanh(self.a(x)), lambda x: self.b(x) * x[0]
        if self.exporting:
            return torch.cond(x.sum() > 0, *arms, (x,))
        return arms[0](x) if x.sum() > 0 else arms[1](x)


class Steps(nn.Module):
    """As many steps as the sequence is long, each with a choice."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)

    def forward(self, x):
        h = torch.zeros_like(x[0])
        for i in range(x.shape[0]):
            h = torch.tanh(self.a(h)) + x[i] * (i + 1)
            if bool(h.sum() > 1):
                h = 0.5 * h
        return h


class Settle(nn.Module):
    """As many steps as the numbers of a sample ask for, written for the TorchScript exporter."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)

    def forward(self, x):
        h = 3 * x
        while bool((h * h).sum() > 0.5):
            h = 0.75 * torch.tanh(self.a(h))
        return h


class While(Settle):
    """The same for the other exporter."""

    exporting = False

    def forward(self, x):
        def more(h):
            return (h * h).sum() > 0.5

        def step(h):
            return (0.75 * torch.tanh(self.a(h)),)

        h = 3 * x
        if self.exporting:
            return while_loop(more, step, (h,))[0]
        while more(h):
            (h,) = step(h)
        return h


class Scanned(nn.Module):
    """A gated recurrent unit over a sequence; the last state, and what is computed of all."""

    exporting = False

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(2, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, x):
        def step(h, x):
            h = self.cell(x, h)
            return h, h * h

        h, x = torch.zeros(x.shape[0], 4, dtype=x.dtype), x.transpose(0, 1)
        if self.exporting:
            h, squares = scan(step, h, x)
            return self.out(h) + squares.mean((0, 2)).unsqueeze(1)
        squares = []
        for row in x:
            h, square = step(h, row)
            squares.append(square)
        return self.out(h) + torch.stack(squares).mean((0, 2)).unsqueeze(1)


class Recurrent(nn.Module):
    """A recurrent layer over a sequence: all states, and the last ones."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.out = nn.Linear(layer.hidden_size * (2 if layer.bidirectional else 1), 1)

    def forward(self, x):
        states, last = self.layer(x)
        last = last if isinstance(last, tuple) else (last,)
        return self.out(states).flatten(1).cos() + sum(h.sum((0, 2)).unsqueeze(1) for h in last)


class Pooled(nn.Module):
    """A small convolutional network on images."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, stride=1, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.b = nn.Conv2d(4, 4, 3, groups=2, dilation=2, padding=2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        h = nn.functional.max_pool2d(torch.tanh(self.norm(self.a(x))), 2)
        h = nn.functional.silu(self.b(h))
        return self.head(nn.functional.adaptive_avg_pool2d(h, 1).flatten(1))


class Signal(nn.Module):
    """A small convolutional network on sequences, and back to their length."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(1, 3, 4, stride=2, padding=1)
        self.norm = nn.InstanceNorm1d(3, affine=True)
        self.b = nn.ConvTranspose1d(3, 1, 4, stride=2, padding=1)

    def forward(self, x):
        h = nn.functional.silu(self.norm(self.a(x)))
        h = nn.functional.pad(h, (1, 1), mode="replicate")
        h = nn.functional.avg_pool1d(h, 3, stride=1)
        return self.b(h).flatten(1)


class Mixing(nn.Module):
    """Sums along named axes, running sums, masks of triangles and normalised vectors."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(3, 2, 4) - 0.5)
        self.bias = nn.Parameter(torch.rand(4))

    def forward(self, x):
        h = torch.einsum("nti,iok->ntok", x, self.w) + self.bias
        h = nn.functional.normalize(h.flatten(2), dim=-1)
        scores = torch.tril(torch.einsum("nti,nsi->nts", h, h))
        h = torch.cumsum(torch.einsum("nts,nsi->nti", scores, h), 1)
        return h[:, -1].repeat(1, 2) * torch.arange(16, dtype=h.dtype)


def first():
    mlp = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 1))
    mixed = Mixed()
    with torch.no_grad():
        mixed.batch.running_mean.uniform_(-1, 1)
        mixed.batch.running_var.uniform_(0.5, 2)
        for p in [*mixed.batch.parameters(), *mixed.norm.parameters()]:
            p.uniform_(0.5, 1.5)
    return [
        ("mlp", mlp, (2,), BOTH),
        ("mixed", mixed, (4,), BOTH),
        ("attention", Attention(), (3, 2), BOTH),
        ("cell", Cell(), (5, 2), ["script"]),
    ]


def control():
    return [
        ("branch", Branch(), (3,), ["dynamo"]),
        ("steps", Steps(), (4, 3), ["script"]),
        ("settle", Settle(), (3,), ["script"]),
        ("while", While(), (3,), ["dynamo"]),
        ("scan", Scanned(), (5, 2), ["dynamo"]),
    ]


def recurrent():
    return [
        ("gru", Recurrent(nn.GRU(2, 3, batch_first=True)), (4, 2), BOTH),
        ("lstm", Recurrent(nn.LSTM(2, 3, num_layers=2, batch_first=True)), (3, 2), BOTH),
        ("bilstm", Recurrent(nn.LSTM(2, 2, bidirectional=True, batch_first=True)), (3, 2), BOTH),
        ("rnn", Recurrent(nn.RNN(2, 3, nonlinearity="relu", batch_first=True)), (4, 2), BOTH),
    ]


def windows():
    return [
        ("pooled", Pooled(), (2, 6, 6), BOTH),
        ("signal", Signal(), (1, 12), BOTH),
        ("mixing", Mixing(), (4, 3), BOTH),
    ]


BOTH = ["script", "dynamo"]
# evaluated sample by sample: their structure hangs on the numbers
WHOLE = ["branch", "steps", "settle", "while"]
GROUPS = [first, control, recurrent, windows]


def export(name, model, x, exporter):
    """Writes the file; its name."""
    file = f"{name}-{exporter}.onnx"
    common = dict(input_names=["x"], output_names=["y"], opset_version=18)
    if name in WHOLE:
        x, free = x[0], None
    elif exporter == "script":
        free = {"x": {0: "n"}, "y": {0: "n"}}
    else:
        free = ({0: torch.export.Dim("n")},)
    if exporter == "script":
        model = torch.jit.script(model) if name in WHOLE else model
        torch.onnx.export(model, (x,), file, dynamo=False, dynamic_axes=free, do_constant_folding=False, **common)
    else:
        model.exporting = True
        torch.onnx.export(model, (x,), file, dynamo=True, dynamic_shapes=free, external_data=False, **common)
        model.exporting = False
    saved = onnx.load(file)
    graphs = [saved.graph]
    while graphs:
        graph = graphs.pop()
        del graph.value_info[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    onnx.save(saved, file)
    return file


def main():
    expected = {"versions": {"torch": torch.__version__, "onnx": onnx.__version__}, "models": []}
    for group in GROUPS:
        torch.manual_seed(4)
        for name, model, shape, exporters in group():
            model.eval()
            x = torch.randn(3, *shape)
            if name == "branch":
                x[1] = -x[0]  # each arm is taken
            for exporter in exporters:
                file = export(name, model.float(), x, exporter)
                double = model.double()
                inputs = x.double().requires_grad_()
                y = torch.stack([double(row) for row in inputs]) if name in WHOLE else double(inputs)
                weights = torch.cos(torch.arange(y[0].numel(), dtype=torch.float64)).reshape(y[0].shape)
                double.zero_grad()
                (y * weights).sum().backward()
                known = {key: value.grad.flatten().tolist() for key, value in double.named_parameters()}
                expected["models"].append({
                    "file": file,
                    "x": inputs.detach().flatten(1).tolist(),
                    "y": y.detach().flatten(1).tolist(),
                    "dx": inputs.grad.flatten(1).tolist(),
                    "dp": known,
                })
    with open("expected.json", "w") as out:
        json.dump(expected, out, indent=1)


main()
