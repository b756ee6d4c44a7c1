"""Examines a GraphDef: finds its input, output, size and first operations from the structure of the graph, and returns Evidence."""

from __future__ import annotations

from pathlib import Path

from label_image.detectors.evidence import Evidence, root_mean_square
from label_image.detectors.graph_arithmetic import RESIZES, affine
from label_image.detectors.net import PASS_ON, RESHAPES, Net, bare
from label_image.detectors.purpose import INDEX, Output, purpose_by_inputs, purpose_by_outputs
from label_image.errors import RunError, UserError

_DTYPES = {
    1: "float32",
    2: "float32",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    9: "int64",
    10: "bool",
}
_DTYPES |= {19: "float32"}  # half
_INPUTS = (
    "Mul",
    "input",
    "Placeholder",
    "image",
    "images",
    "x",
    "DecodeJpeg/contents",
)  # names that known tools use, the most likely first
_OUTPUTS = ("final_result", "loss", "model_outputs", "softmax", "output", "scores", "predictions", "prob")
_NO_SCORES: tuple[str, ...] = (
    "ArgMax",
    "TopK",
    "TopKV2",
    "Equal",
    "NoOp",
    "Assign",
    "SaveV2",
    "RestoreV2",
    "Const",
    "Assert",
)
_NO_SCORES += ("MergeV2Checkpoints", "Print", "Mean", "MergeSummary", "ScalarSummary", "HistogramSummary")
_KINDS = {"Softmax": "probabilities", "Sigmoid": "sigmoid", "LogSoftmax": "logits"}
_KINDS |= dict.fromkeys(("MatMul", "BiasAdd", "Add", "AddV2", "Conv2D", "Mean", "AvgPool", "_FusedMatMul"), "logits")
_KINDS |= {"ArgMax": INDEX, "ArgMin": INDEX}
_POOLS = ("Mean", "AvgPool")  # after an activation their result is features, otherwise logits
_RECTIFIERS = ("Relu", "Relu6", "Elu", "Selu", "LeakyRelu")
_ACTIVATIONS = (*_RECTIFIERS, "Sigmoid", "Softplus", "Mul", "ConcatV2", "Concat")
_BOX_OPERATIONS = ("NonMaxSuppression", "CombinedNonMaxSuppression")
_DAMAGED = (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, RecursionError, AttributeError)


def evidence(net: Net, path: Path, what: str, ends: tuple[str, str] = ("", ""), why: str = "") -> Evidence:
    """Collects the evidence in a graph.

    Args:
      net: the graph.
      path: its file, for the errors.
      what: the kind of file, for messages.
      ends: the input and output layer; "" for one that has to be found.
      why: where their names come from.

    Raises:
      UserError: a named layer does not exist; the message lists the candidates.
      RunError: no input or output was found, or the graph is damaged.
    """
    try:
        return _evidence(net, path, what, ends, why)
    except _DAMAGED as error:  # for example a constant with too few numbers for its shape
        raise RunError(f"cannot read {path}: the graph is damaged ({type(error).__name__})") from None


def _evidence(net: Net, path: Path, what: str, ends: tuple[str, str], why: str) -> Evidence:
    typed = bool(ends[1]) and why.startswith("--")
    for flag, layer in zip(("input_layer", "output_layer"), ends, strict=True):
        if layer and bare(layer) not in net.nodes:
            raise UserError(f"--{flag}={layer} is not in {path}; it has {_candidates(net, flag)}")
    output = ends[1] or _output(net, ends[0])
    source = ends[0] or _input(net, output)
    if not output or not source:
        lacks = "output for the scores" if source else "input for the pixels"
        raise RunError(f"cannot use {path}: found no {lacks}; name it with --input_layer or --output_layer")
    all_outputs = _outputs(net, source, output, named=bool(ends[1]) and not typed)
    if not typed and not _is_scores(net, output):
        better = [one for one in all_outputs if one.is_scores]
        output = better[0].name if len(better) == 1 and output not in _OUTPUTS else output
    dtype = _dtype(net, bare(source))
    kind, outputs = _kind(net, bare(output))
    chosen = next((one for one in all_outputs if bare(one.name) == bare(output)), Output(output, (), kind))
    finds_boxes = any(net.op(name).startswith(_BOX_OPERATIONS) for name in net.nodes)
    shape, shape_why = _shape(net, bare(source), bare(output), dtype)
    first = net.first_network(bare(source))
    kernel = net.kernel(first) if first else None
    return Evidence(
        what=what, shape=shape, shape_why=shape_why, dtype=dtype, names="\n".join(net.nodes), input_layer=source,
        input_why=(why if ends[0] else _input_why(net, source, output)), output_layer=output,
        output_why=(why if ends[1] else _output_why(net, output)), output=kind, outputs=outputs,
        other_purpose=_purpose_by_placeholders(net, bare(source), bare(output)) or purpose_by_outputs(chosen, all_outputs, finds_boxes=finds_boxes), others=tuple(all_outputs),
        layout=_data_format(net, first), affine=affine(net, bare(source)),
        kernel_rms=root_mean_square(kernel),
        resizes=any(net.op(name) in RESIZES for name in net.readers.get(bare(source), [])),
    )  # fmt: skip


def _purpose_by_placeholders(net: Net, source: str, output: str) -> str:
    """Names the placeholders, apart from the photo's and those it depends on, that need more than a single number."""
    names = [n for n in net.nodes if n in net.above(output) and net.op(n) == "Placeholder" and n != source]
    before = net.above(source) if names else set()
    return purpose_by_inputs([(name, tuple(_dims(net, name) or ())) for name in names if name not in before])


def _outputs(net: Net, source: str, output: str, *, named: bool) -> list[Output]:
    """Lists the outputs, the chosen one first.

    All nodes that no other node reads are outputs, except in a frozen graph whose output has a usual name: there the others are
    left over from training.
    """
    own = Output(output, (), _kind(net, bare(output))[0])
    if bare(output) in _OUTPUTS and not named:
        return [own]
    fed = net.below(bare(source))
    ends = [
        name for name in net.nodes if name in fed and not any(reader in fed for reader in net.readers.get(name, []))
    ]
    ends = [
        name for name in ends if net.op(name) not in _NO_SCORES and _dtype(net, name) in ("float32", "int32", "int64")
    ]
    others = [Output(name, (), _kind(net, name)[0]) for name in ends if name != bare(output)]
    return [own, *others]


def _is_scores(net: Net, name: str) -> bool:
    return _kind(net, bare(name))[0] in ("probabilities", "sigmoid")


def _candidates(net: Net, flag: str) -> str:
    """Lists candidates for the error message: possible inputs, or nodes that no other node reads."""
    if flag == "input_layer":
        names = [name for name in net.nodes if net.op(name).startswith("Placeholder") or name in _INPUTS]
    else:
        names = [name for name in net.nodes if name not in net.readers and net.op(name) not in _NO_SCORES]
    return ", ".join(names[:8]) or "no such layer"


def _output(net: Net, source: str) -> str:
    """Finds the output: by a usual name, else an unread softmax or sigmoid, else the last node that depends on the pixels."""
    fed = net.below(bare(source)) if source else _depending_on_inputs(net)
    for name in _OUTPUTS:
        if name in fed and net.op(name) not in _NO_SCORES:
            return name
    ends = [name for name in net.nodes if name in fed and not [r for r in net.readers.get(name, []) if r in fed]]
    ends = [name for name in ends if net.op(name) not in _NO_SCORES]
    for wanted in ("probabilities", "sigmoid"):
        for name in reversed(ends):
            if _kind(net, name)[0] == wanted:
                return name
        made = [name for name in net.nodes if name in fed and _KINDS.get(net.op(name)) == wanted]
        if made and not ends:
            return made[-1]
    softmax = [name for name in net.nodes if name in fed and net.op(name) == "Softmax"]
    return softmax[-1] if softmax else (ends[-1] if ends else "")


def _depending_on_inputs(net: Net) -> set[str]:
    """All nodes that depend on an input of the graph."""
    found: set[str] = set()
    for name in net.nodes:
        if net.op(name) == "Placeholder" or name in ("DecodeJpeg/contents", "Mul"):
            found |= net.below(name)
    return found


def _input(net: Net, output: str) -> str:
    """Finds the placeholder of the image; in the original Inception graph it is `Mul`, behind the JPEG decoder."""
    above = net.above(bare(output)) if output else set()
    if "Mul" in above and net.op("Mul") in ("Mul", "Placeholder") and "DecodeJpeg" in net.nodes:
        return "Mul"
    found = [name for name in net.nodes if name in above and net.op(name) == "Placeholder"]
    found = [name for name in found if _dtype(net, name) != "bool"] or found
    if "DecodeJpeg/contents" in above:
        found.append("DecodeJpeg/contents")
    if not found:
        found = [n for n in net.nodes if n in above and net.op(n) == "PlaceholderWithDefault" and "earning" not in n]
    return max(found, key=lambda name: _likelihood(net, name)) if found else ""


def _likelihood(net: Net, name: str) -> tuple[bool, bool, bool, int]:
    dims = _dims(net, name)
    image = dims is not None and len(dims) in (3, 4) and any(size in (1, 3) for size in dims[1:])
    known = len(_INPUTS) - _INPUTS.index(name) if name in _INPUTS else 0
    scalar = any(word in name.lower() for word in ("keep", "drop", "prob", "train", "phase", "rate", "batch_size"))
    return not scalar, image, bool(net.first_network(name)), known


def _dims(net: Net, name: str) -> tuple[int, ...] | None:
    """The shape of a placeholder; None if it is unknown or, as tools of 2017 wrote it, empty."""
    attributes = net.nodes[name].attr
    if "shape" not in attributes or attributes["shape"].shape.unknown_rank:
        listed = attributes["_output_shapes"].list.shape if "_output_shapes" in attributes else []
        return tuple(int(dim.size) for dim in listed[0].dim) or None if listed else None
    return tuple(int(dim.size) for dim in attributes["shape"].shape.dim) or None


def _dtype(net: Net, name: str) -> str:
    attributes = net.nodes[name].attr
    code = attributes["dtype"].type or attributes["T"].type
    return "string" if name == "DecodeJpeg/contents" else _DTYPES.get(code, "float32")


def _input_why(net: Net, source: str, output: str) -> str:
    if bare(source) == "Mul":
        return "the original Inception's, behind its JPEG decoder"
    above = net.above(bare(output))
    others = [n for n in net.nodes if n in above and net.op(n).startswith("Placeholder") and n != bare(source)]
    return f"the only image placeholder; {', '.join(others)} bypassed" if others else "its only placeholder"


def _output_why(net: Net, output: str) -> str:
    name = bare(output)
    if name in _OUTPUTS:
        return "its usual name"
    return f"no operation reads this {net.op(name)}" if name not in net.readers else f"the last {net.op(name)}"


def _kind(net: Net, output: str) -> tuple[str, int]:
    """What the output means, by the operation that computes it, and its size, which is the width of the last weights."""
    at, kind = output, ""
    for _ in range(40):
        op = net.op(at)
        if op in ("RealDiv", "Div", "Mul") and any(net.op(name) == "Exp" for name in net.sources(at)):
            kind = kind or "probabilities"
        elif op in _POOLS and _is_activated(net, at):
            kind = kind or "features"
        elif op not in (*PASS_ON, *RESHAPES):
            kind = kind or ("features" if op in _RECTIFIERS else _KINDS.get(op, "as is"))
        if op in ("MatMul", "Conv2D", "_FusedMatMul"):
            kernel = net.kernel(at)
            return kind, int(kernel.shape[-1]) if kernel is not None and kernel.ndim else 0
        before = [name for name in net.sources(at) if net.op(name) != "Const"] if at in net.nodes else []
        if not before:
            break
        at = next((name for name in before if net.constant(name) is None), before[0])
    return kind or "as is", 0


def _is_activated(net: Net, name: str) -> bool:
    """Whether the input of an operation is the result of an activation, as with features."""
    at = net.sources(name)[0] if net.sources(name) else ""
    for _ in range(8):
        if net.op(at) not in (*PASS_ON, *RESHAPES) or not net.sources(at):
            break
        at = net.sources(at)[0]
    return net.op(at) in _ACTIVATIONS


def _data_format(net: Net, first: str) -> str:
    return net.nodes[first].attr["data_format"].s.decode() if first and "Conv" in net.op(first) else ""


def _shape(net: Net, source: str, output: str, dtype: str) -> tuple[tuple[int, ...], str]:
    """The shape of the input, and how it is known."""
    if dtype == "string":
        return (), "the graph decodes the photo's file itself"
    if source == "Mul" and net.op(source) == "Mul":
        return (1, 299, 299, 3), "the original Inception's"
    from label_image.detectors.sizes import input_shape

    return input_shape(net, source, output, _dims(net, source))
