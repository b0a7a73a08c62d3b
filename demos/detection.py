"""Find people on a video with any detector, and draw them: the shortest use of the plugin.

python -m demos.detection --video clip.mp4 --model nanodet.onnx --out people.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from plugins.detection import Detected, DetectionConfig, DetectionPlugin
from sage.irp import ConfigError, Context, SageError, refine
from sage.values import Frame, Observation

DATA = Path("../shared/data")


def main(arguments: list[str] | None = None) -> int:
    """Draw what is found; a picture holds the last frame, a video all of them."""
    import cv2

    made = argparse.ArgumentParser(prog="python -m demos.detection", description=__doc__)
    made.add_argument("--video", default=str(DATA / "video/vtest.avi"))
    made.add_argument("--model", default=str(DATA / "models/nanodet.onnx"))
    made.add_argument("--labels", help="class names, one a line (COCO)")
    made.add_argument("--head", help="the family of the network's outputs (recognised)")
    made.add_argument("--label", default="person", help="what to draw")
    made.add_argument("--frames", type=int, default=30)
    made.add_argument("--out", type=Path, default=Path("people.png"), help="PNG, JPEG or MP4")
    options = made.parse_args(arguments)
    config = DetectionConfig(options.model, labels=options.labels, head=options.head)
    try:
        _check(options)
        plugin = DetectionPlugin(config)
        if options.label not in plugin.names:
            some = ", ".join(plugin.names[:5])
            raise ConfigError(f"--label {options.label!r} is no class of the model ({some}, ...)")
    except SageError as error:
        print(f"demos.detection: {error}", file=sys.stderr)
        return 2
    capture = cv2.VideoCapture(options.video)
    writer = None
    latest: Detected | None = None
    picture = None
    for number in range(options.frames):
        read, bgr = capture.read()
        if not read:
            break
        frame = Frame(np.ascontiguousarray(bgr[..., ::-1], np.uint8))
        seen = Observation("video", "camera", float(number), number, frame)
        context: Context = {} if latest is None else {"previous": latest.memory}
        outcome = refine(plugin, seen, context=context)
        if outcome.result is None:
            print(f"demos.detection: {outcome.error}", file=sys.stderr)
            return 2
        latest = outcome.result
        found = [d for d in latest.scene.detections if d.label == options.label]
        print(f"frame {number}: {len(found)} x {options.label}, {latest.looks} looks")
        picture = np.ascontiguousarray(bgr, np.uint8)
        for detection in found:
            left, top, right, bottom = map(round, detection.box_px)
            cv2.rectangle(picture, (left, top), (right, bottom), (40, 40, 255), 2)
        if options.out.suffix == ".mp4":
            if writer is None:
                size = picture.shape[1], picture.shape[0]
                codec = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(options.out), codec, 10.0, size)
            writer.write(picture)
    capture.release()
    if picture is None:
        print(f"demos.detection: --video {options.video} holds no frame", file=sys.stderr)
        return 2
    if writer is not None:
        writer.release()
    else:
        cv2.imwrite(str(options.out), picture)
    return 0


def _check(options: argparse.Namespace) -> None:
    """ConfigError for what would only fail after the work is done."""
    if options.frames < 1:
        raise ConfigError(f"--frames {options.frames} must be 1 or more")
    if options.out.suffix not in (".png", ".jpg", ".jpeg", ".mp4"):
        raise ConfigError(f"--out {options.out} must end in .png, .jpg, .jpeg or .mp4")
    if not options.out.parent.is_dir():
        raise ConfigError(f"--out {options.out}: there is no folder {options.out.parent}")


if __name__ == "__main__":
    raise SystemExit(main())
