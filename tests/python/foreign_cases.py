"""Writes models of one operator with random shapes and attributes, and what ONNX Runtime computes with them.

    foreign_cases.py FOLDER SEED

cases.json in the folder holds for each model its file, the samples, the outputs, and how near these are. What ONNX Runtime
has in single precision alone is held against the reference evaluator of ONNX, whose values in double precision count then.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
rng, values = random.Random(seed), np.random.default_rng(seed)
onnxruntime.set_default_logger_severity(4)
cases, refused = [], []


def numbers(*shape):
    """Numbers that single precision holds exactly."""
    return np.round(values.uniform(-2, 2, shape) * 64) / 64


def node(operator, inputs, outputs=("y",), **attributes):
    attributes = {key: value for key, value in attributes.items() if value is not None}
    return helper.make_node(operator, list(inputs), list(outputs), name=f"{operator} {outputs[0]}", **attributes)


def model(nodes, shape, constants, outputs, single, opset):
    real = TensorProto.FLOAT if single else TensorProto.DOUBLE
    dtype = np.float32 if single else np.float64
    tensors = []
    for name, value in constants.items():
        value = np.asarray(value)
        value = value.astype(dtype) if value.dtype == np.float64 else value
        tensors.append(numpy_helper.from_array(value, name))
    x = helper.make_tensor_value_info("x", real, shape)
    y = [helper.make_tensor_value_info(name, real, None) for name in outputs]
    nodes = [retyped(item, single) for item in nodes]
    graph = helper.make_graph(nodes, "g", [x], y, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def retyped(item, single):
    """The node with bodies in the wanted precision."""
    copy = onnx.NodeProto()
    copy.CopyFrom(item)
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            for info in [*attribute.g.input, *attribute.g.output]:
                tensor = info.type.tensor_type
                if tensor.elem_type == TensorProto.DOUBLE and single:
                    tensor.elem_type = TensorProto.FLOAT
            inner = [retyped(node, single) for node in attribute.g.node]
            del attribute.g.node[:]
            attribute.g.node.extend(inner)
    return copy


def by_runtime(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def case(name, nodes, shape, constants=None, outputs=("y",), opset=21, free=True, computed=None, exact=True):
    """A model of these nodes; `computed` are other nodes that give the same. Without `exact` the runtime counts alone."""
    constants = constants or {}
    rows = 3 if free else 1
    x = numbers(*([rows, *shape] if free else shape))
    declared = ["N", *shape] if free else list(shape)
    build = lambda nodes, single: model(nodes, declared, constants, outputs, single, opset)
    tolerance = 1e-11
    try:
        found = by_runtime(build(computed or nodes, False), x)
    except Exception:
        try:
            found = by_runtime(build(computed or nodes, True), x.astype(np.float32))
        except Exception as error:
            # windows that do not fit, by chance
            refused.append(f"{name}: {error}")
            return
        tolerance = 1e-4
        try:
            if not exact:
                raise ValueError("the reference has other weights in single precision")
            exact = ReferenceEvaluator(build(computed or nodes, False)).run(None, {"x": x})
            if all(a.shape == b.shape and np.allclose(a, b, 1e-3, 1e-3) for a, b in zip(exact, found)):
                found, tolerance = exact, 1e-11
        except Exception:
            pass
    file = f"{len(cases)}.onnx"
    onnx.save(build(nodes, False), folder / file)
    samples = [np.moveaxis(y, axis_of_samples(y, rows), 0).reshape(rows, -1) for y in found]
    cases.append({
        "name": f"{name} {attributes(nodes[-1])} {list(shape)}",
        "file": file,
        "x": x.reshape(rows, -1).tolist(),
        "y": np.concatenate(samples, 1).tolist(),
        "tolerance": tolerance,
    })


def axis_of_samples(y, rows):
    """Sequences lie before the samples in the outputs of recurrent operators, whose other sizes are never 3."""
    return 0 if rows == 1 else list(y.shape).index(rows)


def attributes(item):
    return {a.name: helper.get_attribute_value(a) for a in item.attribute if not a.HasField("g")}


def pads(dimensions, most):
    return [rng.randint(0, most) for _ in range(2 * dimensions)]


def windows():
    for round in range(12):
        for operator in ["Conv", "ConvTranspose", "MaxPool", "AveragePool"]:
            dimensions = rng.choice([1, 1, 2, 2, 3] if operator != "ConvTranspose" else [1, 2])
            kernel = [rng.randint(1, 3) for _ in range(dimensions)]
            space = [rng.randint(5, 7) for _ in range(dimensions)] if dimensions < 3 else [4, 5, 5]
            common = dict(
                kernel_shape=kernel,
                strides=[rng.randint(1, 3) for _ in range(dimensions)],
                dilations=[rng.randint(1, 2) for _ in range(dimensions)],
                pads=[min(p, k - 1) for p, k in zip(pads(dimensions, 2), kernel * 2)],
            )
            if operator in ["Conv", "MaxPool", "AveragePool"] and round % 4 == 0:
                del common["pads"]
                common["dilations"] = [1] * dimensions
                common["auto_pad"] = rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
            groups = rng.choice([1, 2])
            own, outputs = rng.randint(1, 2), groups * rng.randint(1, 2)
            if operator == "Conv":
                constants = {"w": numbers(outputs, own, *kernel), "b": numbers(outputs)}
                inputs = ["x", "w", "b"][: rng.choice([2, 3])]
                case(operator, [node(operator, inputs, group=groups, **common)], [groups * own, *space], constants)
            elif operator == "ConvTranspose":
                constants = {"w": numbers(groups * own, outputs // groups, *kernel), "b": numbers(outputs)}
                more = [rng.randint(0, min(s, d) - 1) if min(s, d) > 1 else 0 for s, d in zip(common["strides"], common["dilations"])]
                inputs = ["x", "w", "b"][: rng.choice([2, 3])]
                case(operator, [node(operator, inputs, group=groups, output_padding=more, **common)], [groups * own, *space], constants)
            else:
                common["ceil_mode"] = 0 if "auto_pad" in common else rng.choice([0, 1])
                if operator == "AveragePool":
                    common["count_include_pad"] = rng.choice([0, 1])
                case(operator, [node(operator, ["x"], **common)], [2, *space])
    for operator in ["GlobalAveragePool", "GlobalMaxPool"]:
        case(operator, [node(operator, ["x"])], [2, 4])
        case(operator, [node(operator, ["x"])], [2, 4, 5])
    for mode in ["constant", "edge", "reflect", "wrap"] * 2:
        amounts = np.array([0, rng.randint(0, 2), rng.randint(0, 2), 0, rng.randint(0, 2), rng.randint(0, 2)])
        constants = {"pads": amounts, "value": np.array(1.5)}
        inputs = ["x", "pads", "value"] if mode == "constant" else ["x", "pads"]
        case("Pad", [node("Pad", inputs, mode=mode)], [4, 5], constants)
    constants = {"pads": np.array([-1, 2]), "value": np.array(-0.5), "axes": np.array([-1])}
    case("Pad", [node("Pad", ["x", "pads", "value", "axes"])], [2, 5], constants)


def recurrent():
    for round in range(10):
        for operator, gates in [("RNN", 1), ("GRU", 3), ("LSTM", 4)]:
            direction = rng.choice(["forward", "reverse", "bidirectional"])
            d = 2 if direction == "bidirectional" else 1
            length, inputs, units = rng.choice([1, 2, 4]), rng.choice([1, 2]), rng.choice([2, 4])
            constants = {
                "w": numbers(d, gates * units, inputs) / 2,
                "r": numbers(d, gates * units, units) / 2,
                "b": numbers(d, 2 * gates * units) / 4,
                "h": numbers(1, 1, 1),
                "p": numbers(d, 3 * units) / 2,
                "sizes": np.array([d, 1, units]),
                "axis": np.array([0]),
            }
            chosen = {"b": rng.random() < 0.7, "": False, "h": rng.random() < 0.5}
            if operator == "LSTM":
                chosen |= {"c": chosen["h"], "p": rng.random() < 0.4}
            names = ["x", "w", "r", *[key if on else "" for key, on in chosen.items()]]
            names = ["xs" if name == "x" else "hs" if name in "hc" and name else name for name in names]
            while names[-1] == "":
                names.pop()
            common = dict(hidden_size=units, direction=direction)
            if operator == "GRU":
                common["linear_before_reset"] = rng.choice([0, 1])
            count = {"RNN": 1, "GRU": 2, "LSTM": 3}[operator]
            if rng.random() < 0.5:
                common["activations"] = [rng.choice(["Tanh", "Sigmoid", "Relu", "Softsign", "Softplus"]) for _ in range(d * count)]
            outputs = ["y", "last", "memory"][: 3 if operator == "LSTM" else 2]
            # the first element of each sample fills the initial states
            before = [
                node("Slice", ["x", "axis", "one", "two"], ["first"]),
                node("ReduceSum", ["first", "all"], ["sum"], keepdims=1),
                node("Transpose", ["sum"], ["column"], perm=[1, 0, 2]),
                node("Expand", ["column", "sizes"], ["hs"]),
            ]
            constants |= {"one": np.array([1]), "two": np.array([1]), "all": np.array([1, 2])}
            swap = node("Transpose", ["x"], ["xs"], perm=[1, 0, 2])
            plain = [*before, swap, node(operator, names, outputs, **common)]
            nodes, computed = plain, None
            if rng.random() < 0.4:
                # the batch first, which ONNX Runtime does not have
                names = ["x" if name == "xs" else name for name in names]
                columns = [*before[:2], node("Transpose", ["sum"], ["column"], perm=[0, 1, 2])]
                turned = node("Expand", ["column", "turned"], ["hs"])
                constants["turned"] = np.array([1, d, units])
                nodes = [*columns, turned, node(operator, names, outputs, layout=1, **common)]
                inner = ["_" + name for name in outputs]
                orders = [[2, 0, 1, 3], [1, 0, 2], [1, 0, 2]]
                back = [node("Transpose", [a], [b], perm=order) for a, b, order in zip(inner, outputs, orders)]
                computed = [*before, swap, node(operator, ["xs" if name == "x" else name for name in names], inner, **common), *back]
            if "hs" not in names:
                nodes = [item for item in nodes if item.output[0] not in ["first", "sum", "column", "hs"]]
            case(operator, nodes, [length, inputs], constants, outputs, computed=computed)


def moving():
    for equation, shape, other in [
        ("nij,jk->nik", [2, 4], [4, 2]),
        ("nij,nkj->nik", [2, 4], None),
        ("nii->ni", [4, 4], None),
        ("nij->nji", [2, 4], None),
        ("nij,ij->n", [2, 4], [2, 4]),
        ("ni,ni->n", [4], None),
        ("ni , j -> nij", [2], [4]),
        ("nij,jk,nkl->nil", [2, 2], [2, 2]),
        ("nij,ij", [2, 4], [2, 4]),
    ]:
        terms = equation.split("->")[0].split(",")
        inputs = {1: ["x"], 2: ["x", "w" if other else "x"], 3: ["x", "w", "x"]}[len(terms)]
        case("Einsum", [node("Einsum", inputs, equation=equation)], shape, {"w": numbers(*(other or [1]))})
    for upper in [0, 1]:
        for k in [-1, 0, 2]:
            case("Trilu", [node("Trilu", ["x", "k"], upper=upper)], [4, 5], {"k": np.array(k)})
        case("Trilu", [node("Trilu", ["x"], upper=upper)], [4, 2])
    for exclusive in [0, 1]:
        for reverse in [0, 1]:
            axis = {"axis": np.array(rng.choice([1, 2, -1]))}
            case("CumSum", [node("CumSum", ["x", "axis"], exclusive=exclusive, reverse=reverse)], [4, 2], axis)
    for start, limit, step in [(0, 5, 1), (7, 0, -2), (1, 10, 4), (-3, 3, 5)]:
        constants = {"a": np.array(start), "b": np.array(limit), "c": np.array(step)}
        cast = node("Cast", ["r"], ["f"], to=TensorProto.DOUBLE)
        case("Range", [node("Range", ["a", "b", "c"], ["r"]), cast, node("Add", ["x", "f"])], [1], constants)
    constants = {"a": np.array(0.5), "b": np.array(3.0), "c": np.array(0.75)}
    case("Range", [node("Range", ["a", "b", "c"], ["r"]), node("Add", ["x", "r"])], [1], constants)
    for repeats in [[1, 2, 1], [1, 2, 4]]:
        case("Tile", [node("Tile", ["x", "repeats"])], [2, 4], {"repeats": np.array(repeats)})
    for axis in [0, 1, -1]:
        indices = values.integers(-2, 2, (2, 4))
        case("GatherElements", [node("GatherElements", ["x", "i"], axis=axis)], [4, 4], {"i": indices}, free=False)
        for reduction in ["none", "add", "mul", "max", "min"]:
            indices = np.argsort(values.uniform(size=(4, 4)), axis)[:2]
            constants = {"i": indices, "u": numbers(2, 4)}
            scatter = node("ScatterElements", ["x", "i", "u"], axis=axis, reduction=reduction)
            case("ScatterElements", [scatter], [4, 4], constants, free=False)
    for depth in [1, 2]:
        indices = values.integers(-2, 2, (5, depth))
        case("GatherND", [node("GatherND", ["x", "i"])], [2, 4], {"i": indices}, free=False)
        turned = [node("Transpose", ["x"], ["t"], perm=[1, 2, 0]), node("GatherND", ["t", "i"], ["g"])]
        last = node("Transpose", ["g"], perm=list(range(4 - depth))[::-1])
        case("GatherND", [*turned, last], [2, 4], {"i": indices})
        for reduction in ["none", "add", "mul", "max", "min"]:
            rows = [[0], [-1]] if depth == 1 else [[0, 1], [-1, 2], [1, 0]]
            updates = numbers(2, 4) if depth == 1 else numbers(3)
            scatter = node("ScatterND", ["x", "i", "u"], reduction=reduction)
            case("ScatterND", [scatter], [2, 4], {"i": np.array(rows), "u": updates}, free=False)


def real(name, of="y"):
    return node("Cast", [name], [of], to=TensorProto.DOUBLE)


def choosing():
    # whole numbers, so that some are equal
    rounded = node("Round", ["x"], ["r"])
    for axis, keep, last in [(1, 1, 0), (2, 0, 0), (-1, 1, 1), (1, 0, 1), (2, 1, 0)]:
        for operator in ["ArgMax", "ArgMin"]:
            place = node(operator, ["r"], ["i"], axis=axis, keepdims=keep, select_last_index=last)
            case(operator, [rounded, place, real("i")], [4, 5])
    # of the place of the largest: compared, as an index from the front and from the end, and of another row
    place = node("ArgMax", ["x"], ["i"], axis=1, keepdims=0)
    kept = node("ArgMax", ["x"], ["i"], axis=1, keepdims=1)
    equal = node("Equal", ["i", "two"], ["same"])
    case("ArgMax", [place, equal, real("same")], [5], {"two": np.array(2)})
    for back in [0, 5]:
        less = node("Sub", ["i", "back"], ["at"])
        constants = {"back": np.array(back), "w": numbers(5, 2)}
        case("Gather", [place, less, node("Gather", ["w", "at"])], [5], constants)
        case("Gather", [place, less, node("Gather", ["w", "at"], axis=0), node("Sin", ["y"], ["z"])], [5], constants, ["z"])
        across = [node("Transpose", ["w"], ["wt"]), node("Gather", ["wt", "at"], axis=1)]
        turned = node("Transpose", ["y"], ["z"])
        case("Gather", [place, less, *across, turned], [5], constants, ["z"])
        case("GatherElements", [kept, less, node("GatherElements", ["x", "at"], axis=1)], [5], constants)
    rows = node("ArgMin", ["x"], ["i"], axis=2, keepdims=1)
    case("GatherElements", [rows, node("GatherElements", ["x", "i"], axis=2)], [4, 5])
    for axis in [1, 2, -1]:
        for largest in [0, 1]:
            k = {"k": np.array([rng.randint(1, 4)])}
            top = node("TopK", ["r", "k"], ["y", "i"], axis=axis, largest=largest)
            case("TopK", [rounded, top, real("i", "z")], [4, 5], k, ["y", "z"])
        case("Hardmax", [rounded, node("Hardmax", ["r"], axis=axis)], [4, 5])
        if axis < 2:
            ordered = [place, node("OneHot", ["i", "depth", "values"], axis=axis)]
            case("OneHot", ordered, [5], {"depth": np.array(5), "values": numbers(2)})
    fixed = {"at": np.array([[0, -1], [3, 7]]), "depth": np.array(4), "values": np.array([0.0, 1.0])}
    case("OneHot", [node("OneHot", ["at", "depth", "values"], ["o"]), node("Mul", ["x", "o"])], [2, 2, 4], fixed)
    for side in [1, 2]:
        case("SpaceToDepth", [node("SpaceToDepth", ["x"], blocksize=side)], [2, 4, 6])
        for mode in [None, "DCR", "CRD"]:
            case("DepthToSpace", [node("DepthToSpace", ["x"], blocksize=side, mode=mode)], [8, 2, 5])
    case("Shrink", [node("Shrink", ["x"], lambd=0.75, bias=0.25)], [4, 2])
    case("Shrink", [node("Shrink", ["x"])], [4])
    for positive in [0, 1]:
        for negative in [0, 1]:
            infinite = node("IsInf", ["d"], ["t"], detect_positive=positive, detect_negative=negative)
            case("IsInf", [rounded, node("Div", ["x", "z"], ["d"]), infinite, real("t")], [4], {"z": np.array([0.0, 1.0, 0.0, 0.0])})
    for k in [-1, 0, 2]:
        like = node("EyeLike", ["w"], ["e"], k=k, dtype=rng.choice([None, TensorProto.DOUBLE]))
        case("EyeLike", [like, node("Mul", ["x", "e"])], [2, 4], {"w": numbers(2, 4)})
    for side in [1, 2, 4]:
        case("Det", [node("Det", ["x"])], [2, side, side])


def resizing():
    for round in range(60):
        mode = ["nearest", "linear", "cubic", "nearest"][round % 4]
        coordinates = rng.choice(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"])
        common = dict(mode=mode, coordinate_transformation_mode=rng.choice([None, coordinates, coordinates]))
        if mode == "nearest":
            common["nearest_mode"] = rng.choice([None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        if mode == "cubic":
            common["cubic_coeff_a"] = rng.choice([None, -0.5])
            common["exclude_outside"] = rng.choice([None, 1])
        shape = [2, rng.randint(1, 6), rng.randint(2, 6)]
        factors = [[f for f in [0.5, 0.6, 1, 1.3, 1.5, 2, 2.5, 3] if f * size >= 1] for size in shape[1:]]
        scales = np.array([rng.choice(possible) for possible in factors], np.float32)
        if round % 3 == 0:
            whole = {"s": np.concatenate([np.ones(2, np.float32), scales])}
            case("Resize", [node("Resize", ["x", "", "s"], **common)], shape, whole, opset=19, exact=False)
        elif round % 3 == 1:
            sizes = {"s": np.array([rng.randint(1, 9), rng.randint(1, 9)])}
            resize = node("Resize", ["x", "", "", "s"], axes=[2, 3], **common)
            case("Resize", [resize], shape, sizes, opset=19, exact=False)
        else:
            # as PyTorch has it: the sizes of the input, with those wanted behind them
            start = [node("Shape", ["x"], ["all"]), node("Slice", ["all", "a", "b"], ["some"])]
            start.append(node("Concat", ["some", "s"], ["sizes"], axis=0))
            sizes = {"s": np.array([rng.randint(1, 9), rng.randint(1, 9)]), "a": np.array([0]), "b": np.array([2])}
            version = 13 if coordinates != "half_pixel_symmetric" else 19
            case("Resize", [*start, node("Resize", ["x", "", "", "sizes"], **common)], shape, sizes, opset=version, exact=False)
    for mode in ["nearest", "linear"]:
        scales = {"s": np.array([1, 1, 1.5, 2], np.float32), "roi": np.array([], np.float32)}
        case("Resize", [node("Resize", ["x", "s"], mode=mode)], [2, 4, 3], scales, opset=10, exact=False)
        case("Resize", [node("Resize", ["x", "roi", "s"], mode=mode)], [2, 4, 3], scales, opset=11, exact=False)


def normal():
    for shape in [[4, 5], [4, 2, 2]]:
        constants = {"s": numbers(4), "b": numbers(4)}
        case("InstanceNormalization", [node("InstanceNormalization", ["x", "s", "b"], epsilon=0.25)], shape, constants)
        for groups in [1, 2, 4]:
            norm = node("GroupNormalization", ["x", "s", "b"], num_groups=groups, stash_type=TensorProto.DOUBLE)
            case("GroupNormalization", [norm], shape, constants)
        norm = node("GroupNormalization", ["x", "s", "b"], num_groups=2)
        case("GroupNormalization", [norm], shape, {"s": numbers(2), "b": numbers(2)}, opset=18)
    for p in [1, 2]:
        for axis in [1, 2, -1]:
            case("LpNormalization", [node("LpNormalization", ["x"], p=p, axis=axis)], [4, 2])
    case("RMSNormalization", [node("RMSNormalization", ["x", "s"], axis=-1)], [2, 4], {"s": numbers(4)}, opset=23)
    case("RMSNormalization", [node("RMSNormalization", ["x", "s"], axis=1)], [2, 4], {"s": numbers(2, 4)}, opset=23)


def info(name, shape, kind=TensorProto.DOUBLE):
    return helper.make_tensor_value_info(name, kind, shape)


def control():
    for axis, direction, out_axis, out_direction in [(0, 0, 0, 0), (1, 1, 1, 0), (-1, 0, -1, 1), (1, 0, 0, 1)]:
        nodes = [node("Mul", ["s", "w"], ["a"]), node("Add", ["a", "r"], ["next"]), node("Tanh", ["next"], ["row"])]
        body = helper.make_graph(nodes, "body", [info("s", [4]), info("r", [4])], [info("next", [4]), info("row", [4])])
        scan = node(
            "Scan", ["start", "x"], ["last", "rows"], body=body, num_scan_inputs=1, scan_input_axes=[axis],
            scan_input_directions=[direction], scan_output_axes=[out_axis], scan_output_directions=[out_direction],
        )
        constants = {"start": numbers(4), "w": numbers(4)}
        case("Scan", [scan], [4, 4], constants, ["last", "rows"], free=False)
    for round in range(8):
        # a loop whose trip count or condition hangs on the sample in some rounds, with a choice in each iteration
        kind = round % 4
        choice = dict(
            then_branch=helper.make_graph([node("Sin", ["a"], ["r"])], "then", [], [info("r", [2])]),
            else_branch=helper.make_graph([node("Mul", ["a", "w"], ["r"])], "else", [], [info("r", [2])]),
        )
        nodes = [
            node("Cast", ["i"], ["f"], to=TensorProto.DOUBLE),
            node("Add", ["s", "f"], ["a"]),
            node("ReduceSum", ["a"], ["sum"], keepdims=0),
            node("Less", ["sum", "bound"], ["small"]),
            node("If", ["small"], ["next"], **choice),
            node("Identity", ["small" if kind > 1 else "on"], ["again"]),
        ]
        state = [info("i", [], TensorProto.INT64), info("on", [], TensorProto.BOOL), info("s", [2])]
        outputs = [info("again", [], TensorProto.BOOL), info("next", [2])]
        if kind == 0:
            outputs.append(info("a", [2]))
        body = helper.make_graph(nodes, "body", state, outputs)
        before = [
            node("ReduceMax", ["x"], ["most"], keepdims=0),
            node("Abs", ["most"], ["size"]),
            node("Mul", ["size", "two"], ["times"]),
            node("Cast", ["times"], ["count"], to=TensorProto.INT64),
        ]
        constants = {"two": np.array(2.0), "w": numbers(2), "bound": np.array(2.5), "five": np.array(5), "yes": np.array(True)}
        inputs = [["five", ""], ["count", ""], ["five", "yes"], ["count", "yes"]][kind]
        loop = node("Loop", [*inputs, "x"], ["y", "rows"][: 2 if kind == 0 else 1], body=body)
        case("Loop", [*before, loop] if "count" in inputs else [loop], [2], constants, ["y", "rows"][: 2 if kind == 0 else 1], free=False)


for part in [windows, recurrent, moving, choosing, resizing, normal, control]:
    part()
(folder / "cases.json").write_text(json.dumps(cases))
exact = sum(case["tolerance"] < 1e-10 for case in cases)
assert len(refused) < 0.1 * len(cases), "\n".join(refused)
if len(sys.argv) > 3:
    print("\n".join(refused))
print(f"{len(cases)} cases, {exact} of them in double precision")
