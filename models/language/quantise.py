"""Matrices as int8, their inputs as uint8 in ranges measured beforehand.

The ranges are fixed when the network is exported (Jacob et al. 2018, section 3), not found anew
for whatever is computed at once: so a command's result does not depend on its company in a batch.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.language.forms import MASK_ID, tokens_of
from models.language.forms import encode as encode_form
from models.language.words import WordTokenizer

Inputs = Mapping[str, npt.NDArray[Any]]
"""What the network takes, by name."""

_LEVELS: Final = 64  # of a weight, either way: 7 bits, for processors that add pairs in 16
_STEPS: Final = 255  # of an input


def typical_inputs(
    pairs: Sequence[tuple[tuple[str, ...], str]], tokenizer: WordTokenizer, seed: int = 0
) -> list[Inputs]:
    """What a parser asks: each command once wholly masked, once with a part of its form."""
    rng = random.Random(seed)
    asked: list[Inputs] = []
    for words, form in pairs:
        chunks = encode_form(tokens_of(form))
        shown = rng.random()
        partly = [chunk if rng.random() < shown else MASK_ID for chunk in chunks]
        tokens = np.array([tokenizer.encode(words)], np.int64)
        for slots in ([MASK_ID] * len(chunks), partly):
            asked.append({"tokens": tokens, "slots": np.array([slots], np.int64)})
    return asked


def quantised(proto: onnx.ModelProto, typical: Sequence[Inputs]) -> onnx.ModelProto:
    """The same graph with every constant matrix as int8, one scale per output channel."""
    ranges = _ranges(proto, typical)
    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in constants:
            nodes.append(node)
            continue
        source, name = node.input[0], node.input[1]
        weight = numpy_helper.to_array(constants[name])
        scale = np.maximum(np.abs(weight).max(0) / _LEVELS, 1e-12).astype(np.float32)
        low, high = ranges[source]
        step = np.float32(max(high - low, 1e-6) / _STEPS)
        parts = {
            "int8": np.rint(weight / scale).clip(-_LEVELS, _LEVELS).astype(np.int8),
            "scale": scale,
            "zero": np.zeros(len(scale), np.int8),
            "input_scale": step,
            "input_zero": np.uint8(np.rint(-low / step)),
        }
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), f"{name}_{part}")
            for part, value in parts.items()
        )
        read = (f"{name}_input_scale", f"{name}_input_zero")
        nodes += [
            helper.make_node("QuantizeLinear", [source, *read], [f"{name}_uint8"]),
            helper.make_node("DequantizeLinear", [f"{name}_uint8", *read], [f"{name}_input"]),
            helper.make_node(
                "DequantizeLinear",
                [f"{name}_{part}" for part in ("int8", "scale", "zero")],
                [f"{name}_weight"],
                axis=1,
            ),
            helper.make_node("MatMul", [f"{name}_input", f"{name}_weight"], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return proto


def _ranges(proto: onnx.ModelProto, typical: Sequence[Inputs]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of what each constant matrix is multiplied with, 0 included."""
    import onnxruntime as ort

    watched = onnx.ModelProto()
    watched.CopyFrom(proto)
    constants = {tensor.name for tensor in proto.graph.initializer}
    names = sorted(
        {
            node.input[0]
            for node in proto.graph.node
            if node.op_type == "MatMul" and node.input[1] in constants
        }
    )
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    low, high = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for inputs in typical:
        for name, values in zip(names, session.run(names, dict(inputs)), strict=True):
            low[name] = min(low[name], float(values.min()))
            high[name] = max(high[name], float(values.max()))
    return {name: (low[name], high[name]) for name in names}
