"""Torch to ONNX: four graphs, opset 17, weights stored as float16 and cast at load."""

from __future__ import annotations

import copy
import hashlib
import io
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.vision.artifacts import GRAPHS
from models.vision.layout import (
    FOLD,
    INPUT_PX,
    MISSING_CHANNELS,
    PATCH_PX,
    PATCHES,
    WINDOW,
)
from models.vision.network import (
    DecodeGraph,
    EncodeGraph,
    ReadGraph,
    StepGraph,
    VisionModel,
)
from models.vision.reader import ConvNorm
from sage.irp.errors import ModelError

OPSET: Final = 17
#: Smaller tensors (biases, norms) stay float32: nothing to gain.
_FLOAT16_FROM: Final = 1024
_HALF: Final = "_float16"
_BASIS: Final = ("analysis", "synthesis", "offset")


def export(model: VisionModel, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the four graphs; returns what the card says of them.

    Per file: ``sha256``, ``bytes`` and ``float16_tensors``, the (byte offset, count) of every
    float16 weight inside it.
    """
    model = folded(model)
    frame = torch.zeros(1, INPUT_PX, INPUT_PX, 3, dtype=torch.uint8)
    missing = torch.zeros(1, MISSING_CHANNELS, PATCHES, PATCHES)
    with torch.no_grad():
        latent, observed, glance, context, _ = EncodeGraph(model)(frame, missing)
    side = WINDOW * FOLD
    patches = (glance, observed, missing, glance)
    window = (latent[..., :WINDOW, :WINDOW], *(part[..., :side, :side] for part in patches))
    step = torch.tensor(0, dtype=torch.int64)
    graphs: dict[str, tuple[torch.nn.Module, tuple[torch.Tensor, ...], list[str], list[str]]] = {
        "encode": (
            EncodeGraph(model),
            (frame, missing),
            ["frame", "missing"],
            ["latent", "observed", "glance", "context", "errors"],
        ),
        "step": (
            StepGraph(model),
            (*window, context, step),
            ["latent", "thought", "observed", "missing", "glance", "context", "step"],
            ["next_latent", "next_thought", "errors"],
        ),
        "decode": (DecodeGraph(model), (latent,), ["latent"], ["picture"]),
        "read": (ReadGraph(model), (latent,), ["latent"], ["maps", "room_logits", "embedding"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in GRAPHS:
        module, inputs, input_names, output_names = graphs[name]
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter deprecates itself at every call
            torch.onnx.export(
                module.eval(),
                inputs,
                buffer,  # type: ignore[arg-type]  # the TorchScript exporter takes a file
                input_names=input_names,
                output_names=output_names,
                opset_version=OPSET,
                do_constant_folding=False,  # keeps every weight under its own name
                dynamo=False,
            )
        proto, tensors = _half_stored(onnx.load_from_string(buffer.getvalue()))
        onnx.checker.check_model(proto, full_check=True)
        content = proto.SerializeToString(deterministic=True)
        (folder / f"{name}.onnx").write_bytes(content)
        files[f"{name}.onnx"] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "float16_tensors": [[content.index(raw), len(raw) // 2] for raw in tensors],
        }
    return files


def _half_stored(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, list[bytes]]:
    """The same model with its large weights stored as float16, each behind a Cast.

    ONNX Runtime folds the casts when it loads the model, so inference stays float32.
    """
    graph = proto.graph
    casts, kept, raws = [], [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _FLOAT16_FROM:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(values.astype(np.float16), tensor.name + _HALF)
        raws.append(half.raw_data)
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.node[:]
    graph.node.extend(nodes)
    return proto, raws


def load_torch(folder: Path) -> VisionModel:
    """The exported weights in a torch module, batch norms folded in, for fine-tuning.

    Of the patches' basis what is drawn is exported; components beyond it stay zero.
    ModelError if a weight is missing or has another shape.
    """
    model = folded(VisionModel())
    exported: dict[str, torch.Tensor] = {}
    for name in GRAPHS:
        for tensor in onnx.load(str(folder / f"{name}.onnx")).graph.initializer:
            key = tensor.name.removesuffix(_HALF).removeprefix("model.")
            values = np.array(numpy_helper.to_array(tensor), np.float32)
            exported[f"{name}.{key}" if key in _BASIS else key] = torch.from_numpy(values)
    own = model.state_dict()
    for key, value in own.items():
        if key.startswith("vae.patches."):
            continue
        if key not in exported or exported[key].shape != value.shape:
            raise ModelError(f"{folder}: weight {key!r} of shape {tuple(value.shape)} is missing")
        value.copy_(exported[key])
    synthesis, offset = exported["decode.synthesis"] / 255.0, exported["decode.offset"]
    square = (len(synthesis), PATCH_PX, PATCH_PX, 3)
    columns = synthesis.reshape(square).permute(0, 3, 1, 2).flatten(1)
    patches = model.vae.patches
    patches.basis.zero_()
    patches.deviation[: len(columns)] = columns.norm(dim=1)
    patches.basis[:, : len(columns)] = (columns / columns.norm(dim=1, keepdim=True)).T
    mean = (offset - 0.5).reshape(square[1:]) / 255.0
    patches.mean.copy_(mean.permute(2, 0, 1).flatten())
    return model


def folded(model: VisionModel) -> VisionModel:
    """A copy whose batch norms are part of their convolutions; computes the same."""
    out = copy.deepcopy(model).eval()
    for module in out.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, torch.nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = torch.nn.Identity()  # type: ignore[assignment]
    return out
