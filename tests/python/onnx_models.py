"""Checks the models that tests/onnx_python.rs wrote: usage: onnx_models.py FOLDER [reference]

FOLDER/NAME.onnx with FOLDER/NAME.json: {"inputs": {tensor: value or list}, "outputs": {tensor: value or list},
"tolerance": relative}. With `training` in the JSON the file also holds a training algorithm, which is combined with the
main graph as the ONNX specification says and run for so many steps. `"reference": false` leaves out the reference
evaluator, which cannot collect the scan outputs of a Loop without iterations.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnx.reference
import onnxruntime


def number(value):
    """JSON has no NaN and no infinities: they are strings."""
    return [number(v) for v in value] if isinstance(value, list) else float(value)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def arrays(model, values):
    kinds = {
        info.name: onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        for info in [*model.graph.input, *model.graph.output]
    }
    return {
        name: np.array(number(value)).astype(kinds[name]) for name, value in values.items()
    }


def compare(what, names, found, expected, tolerance):
    for name, value in zip(names, found):
        value, wanted = np.asarray(value), expected[name]
        assert value.dtype == wanted.dtype, f"{what} {name}: {value.dtype}, not {wanted.dtype}"
        assert value.shape == wanted.shape, f"{what} {name}: {value.shape}, not {wanted.shape}"
        np.testing.assert_allclose(
            value.astype(np.float64),
            wanted.astype(np.float64),
            rtol=tolerance,
            atol=tolerance,
            err_msg=f"{what} {name}",
        )


def combined(model):
    """The main graph and the training algorithm as one model, and what it updates."""
    info = model.training_info[0]
    both = onnx.ModelProto()
    both.CopyFrom(model)
    del both.training_info[:]
    for field in ["input", "output", "initializer", "node"]:
        getattr(both.graph, field).extend(getattr(info.algorithm, field))
    return both, {entry.key: entry.value for entry in info.update_binding}


def train(model, case):
    both, updates = combined(model)
    onnx.checker.check_model(both, full_check=True)
    state = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in both.graph.initializer
        if tensor.name in updates
    }
    assert state.keys() == updates.keys(), "an update of no initializer"
    runner = session(both)
    names = list(updates.values())
    feeds = arrays(both, case["inputs"])
    losses = []
    for _ in range(case["steps"]):
        loss, *values = runner.run(["loss", *names], feeds | state)
        state = dict(zip(updates, values))
        losses.append(float(loss))
    assert losses[-1] < losses[0], losses
    for name, wanted in case["fitted"].items():
        error = abs(state[name] - wanted)
        assert error <= case["tolerance"] * abs(wanted), f"{name} is {state[name]}, not {wanted}"
    return losses


def main():
    folder, reference = pathlib.Path(sys.argv[1]), "reference" in sys.argv[2:]
    files = sorted(folder.glob("*.onnx"))
    for file in files:
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        case = json.loads(file.with_suffix(".json").read_text())
        feeds, expected = arrays(model, case["inputs"]), arrays(model, case["outputs"])
        names = [output.name for output in model.graph.output]
        runner, tolerance = session(model), case["tolerance"]
        compare(f"{file.name}: onnxruntime", names, runner.run(names, feeds), expected, tolerance)
        if reference and case.get("reference", True):
            found = onnx.reference.ReferenceEvaluator(model).run(names, feeds)
            compare(f"{file.name}: reference", names, found, expected, tolerance)
        if "training" in case:
            losses = train(model, case["training"])
            print(f"{file.name}: loss {losses[0]:.3e} to {losses[-1]:.3e}")
    print(f"{len(files)} models agree in onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")


main()
