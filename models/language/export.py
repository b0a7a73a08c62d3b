"""Torch to ONNX: two graphs, opset 17; large weights as int8 or float16, any number of commands."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from models.language.forms import SLOTS
from models.language.quantise import Inputs, quantised
from models.language.tiny_bert import LowerGraph, NetworkConfig, TinyBert, UpperGraph
from models.language.training import Pupil
from sage.irp.errors import ModelError

OPSET: Final = 17
#: Smaller tensors (biases, norms) stay float32: nothing to gain.
_FLOAT16_FROM: Final = 4096
_HALF: Final = "_float16"
_TURNED: Final = "_turned"


def serialised(network: TinyBert, typical: Sequence[Inputs] = ()) -> tuple[bytes, bytes]:
    """The two halves of the network as ONNX.

    The lower takes ``tokens`` (N, L) and ``slots`` (N, SLOTS) and gives ``log_probs``, ``meaning``
    and ``hidden``; the upper takes ``tokens`` and ``hidden`` and gives ``log_probs`` and
    ``meaning``. Weights are stored as float16 behind a cast (ONNX Runtime folds it when loading).

    Args:
        typical: with them matrices become int8 per output channel, and their inputs uint8 in the
            ranges that occur on these.
    """
    tokens = torch.ones(2, 9, dtype=torch.int64)
    slots = torch.ones(2, SLOTS, dtype=torch.int64)
    hidden = torch.zeros(2, 9 + SLOTS, network.config.width)
    lower = _exported(LowerGraph(network), {"tokens": tokens, "slots": slots}, hidden=True)
    upper = _exported(UpperGraph(network), {"tokens": tokens, "hidden": hidden}, hidden=False)
    made = []
    for proto, inputs in ((lower, typical), (upper, _gone_on(lower, typical))):
        named = _named(proto, network)
        stored = _half_stored(quantised(named, inputs) if typical else named)
        onnx.checker.check_model(stored, full_check=True)
        made.append(bytes(stored.SerializeToString(deterministic=True)))
    return made[0], made[1]


def _exported(
    module: torch.nn.Module, inputs: dict[str, Tensor], *, hidden: bool
) -> onnx.ModelProto:
    outputs = ["log_probs", "meaning", *(["hidden"] if hidden else [])]
    axes = {name: {0: "commands"} for name in (*inputs, *outputs)}
    axes["tokens"][1] = "length"
    axes.setdefault("hidden", {})[1] = "length_and_slots"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates itself at every call
        buffer = io.BytesIO()
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]  # the TorchScript exporter takes a file
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _gone_on(lower: onnx.ModelProto, typical: Sequence[Inputs]) -> list[Inputs]:
    """What the upper half is asked after the lower one was asked these."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        lower.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [
        {"tokens": one["tokens"], "hidden": session.run(["hidden"], dict(one))[0]}
        for one in typical
    ]


def _named(proto: onnx.ModelProto, network: TinyBert) -> onnx.ModelProto:
    """The same graph with its matrices under the names that the network gives them.

    The exporter turns a linear layer's matrix round and names it by a number; with its own name
    it can be read back (:func:`load_network`).
    """
    matrices = {
        name: value.detach().numpy().T
        for name, value in network.named_parameters()
        if value.dim() == 2
    }
    names: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if not tensor.name.startswith("onnx::"):
            continue
        for name, matrix in matrices.items():
            if matrix.shape == values.shape and np.array_equal(matrix, values):
                names[tensor.name] = f"model.{name}{_TURNED}"
                tensor.name = names[tensor.name]
                break
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
    return proto


def described(content: bytes) -> dict[str, Any]:
    """What the card says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _half_stored(proto: onnx.ModelProto) -> onnx.ModelProto:
    graph = proto.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _FLOAT16_FROM:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(values.astype(np.float16), tensor.name + _HALF)
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.node[:]
    graph.node.extend(nodes)
    return proto


def load_network(*halves: bytes) -> TinyBert:
    """The network that :func:`serialised` wrote, its matrices as exact as they are stored.

    Raises:
        ModelError: a half is missing, or of another network.
    """
    found: dict[str, np.ndarray] = {}
    for content in halves:
        tensors = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load_from_string(content).graph.initializer
        }
        for name, values in tensors.items():
            plain = name.removesuffix(_HALF)
            if plain.endswith("_int8"):
                plain = plain.removesuffix("_int8")
                values = values.astype(np.float32) * tensors[f"{plain}_scale"]
            if plain.endswith(_TURNED):
                values, plain = values.T, plain.removesuffix(_TURNED)
            if plain.startswith("model."):
                found.setdefault(plain.removeprefix("model."), values.astype(np.float32))
    if "word.weight" not in found:
        raise ModelError("these are no halves of a language model")
    network = TinyBert(NetworkConfig(words=len(found["word.weight"])))
    state = {name: torch.from_numpy(np.array(values)) for name, values in found.items()}
    wanted = network.state_dict().keys()
    try:
        network.load_state_dict({name: state[name] for name in wanted if name in state})
    except RuntimeError as error:
        raise ModelError(f"the language model: {str(error).splitlines()[0]}") from error
    return network.eval()


def trunk_bytes(module: torch.nn.Module) -> bytes:
    """A module's weights as float16, under their own names, in an ONNX container of tensors."""
    tensors = [
        numpy_helper.from_array(value.detach().numpy().astype(np.float16), name)
        for name, value in sorted(module.state_dict().items())
    ]
    graph = helper.make_graph([], "trunk", [], [], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return bytes(model.SerializeToString(deterministic=True))


def load_trunk(content: bytes, name: str = "trunk.onnx") -> Pupil:
    """What :func:`trunk_bytes` wrote; ModelError if a weight is missing or misshapen."""
    try:
        tensors = onnx.load_from_string(content).graph.initializer
    except Exception as error:  # protobuf's own type
        raise ModelError(f"{name} is no ONNX file ({error})") from error
    state = {
        tensor.name: torch.from_numpy(np.array(numpy_helper.to_array(tensor), np.float32))
        for tensor in tensors
    }
    if "network.word.weight" not in state:
        raise ModelError(f"{name} holds no language model")
    pupil = Pupil(TinyBert(NetworkConfig(words=len(state["network.word.weight"]))))
    try:
        pupil.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{name}: {str(error).splitlines()[0]}") from error
    return pupil.eval()
