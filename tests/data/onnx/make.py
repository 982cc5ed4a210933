"""Writes the models of this folder, as PyTorch exports them, and what PyTorch itself computes with them in double precision.

    pip install torch onnx onnxscript
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


def models():
    mlp = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 1))
    mixed = Mixed()
    with torch.no_grad():
        mixed.batch.running_mean.uniform_(-1, 1)
        mixed.batch.running_var.uniform_(0.5, 2)
        for p in [*mixed.batch.parameters(), *mixed.norm.parameters()]:
            p.uniform_(0.5, 1.5)
    return {"mlp": (mlp, (2,)), "mixed": (mixed, (4,)), "attention": (Attention(), (3, 2)), "cell": (Cell(), (5, 2))}


def main():
    torch.manual_seed(4)
    expected = {"versions": {"torch": torch.__version__, "onnx": onnx.__version__}, "models": []}
    for name, (model, shape) in models().items():
        model.eval()
        x = torch.randn(3, *shape)
        for exporter in ["script", "dynamo"]:
            if exporter == "dynamo" and name == "cell":
                continue
            file = f"{name}-{exporter}.onnx"
            common = dict(input_names=["x"], output_names=["y"], opset_version=18)
            if exporter == "script":
                axes = {"x": {0: "n"}, "y": {0: "n"}}
                torch.onnx.export(model.float(), (x,), file, dynamo=False, dynamic_axes=axes, do_constant_folding=False, **common)
            else:
                free = ({0: torch.export.Dim("n")},)
                torch.onnx.export(model.float(), (x,), file, dynamo=True, dynamic_shapes=free, external_data=False, **common)
            saved = onnx.load(file)
            for node in saved.graph.node:
                node.doc_string = ""
                del node.metadata_props[:]
            del saved.graph.value_info[:]
            onnx.save(saved, file)
            double = model.double()
            inputs = x.double().requires_grad_()
            y = double(inputs)
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
