"""Torch to ONNX: one graph, opset 17; large weights as int8 or float16, any number of commands."""

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

from models.language.forms import SLOTS
from models.language.quantise import Inputs, quantised
from models.language.tiny_bert import NetworkConfig, ParseGraph, TinyBert
from models.language.training import Pupil
from sage.irp.errors import ModelError

OPSET: Final = 17
#: Smaller tensors (biases, norms) stay float32: nothing to gain.
_FLOAT16_FROM: Final = 4096
_HALF: Final = "_float16"


def serialised(network: TinyBert, typical: Sequence[Inputs] = ()) -> bytes:
    """The network as ONNX: ``tokens`` (N, L) and ``slots`` (N, SLOTS) in, ``log_probs`` and
    ``meaning`` out.

    Weights are stored as float16 behind a cast (ONNX Runtime folds it when loading).

    Args:
        typical: with them matrices become int8 per output channel, and their inputs uint8 in the
            ranges that occur on these.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates itself at every call
        buffer = io.BytesIO()
        torch.onnx.export(
            ParseGraph(network).eval(),
            (torch.ones(2, 9, dtype=torch.int64), torch.ones(2, SLOTS, dtype=torch.int64)),
            buffer,  # type: ignore[arg-type]  # the TorchScript exporter takes a file
            input_names=["tokens", "slots"],
            output_names=["log_probs", "meaning"],
            dynamic_axes={
                "tokens": {0: "commands", 1: "length"},
                "slots": {0: "commands"},
                "log_probs": {0: "commands"},
                "meaning": {0: "commands"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    proto = onnx.load_from_string(buffer.getvalue())
    if typical:
        proto = quantised(proto, typical)
    proto = _half_stored(proto)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


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
