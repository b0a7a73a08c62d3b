"""Vision on real pictures: watch one latent a frame being refined, and what it costs.

Each frame becomes one refinement: a step, its energy (the error that the restored picture is
expected to have), another step, until little more is expected to come of it. Pictures are restored
anywhere; the names of things and rooms were learned in the simulated apartment, and mean little on
a street or in your kitchen. Point a profiler at it: everything happens in ``main``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue
from time import perf_counter

import cv2
import numpy as np

from plugins.vision import VisionConfig, VisionPlugin
from sage import refine
from sage.clock import RealClock, VirtualClock
from sage.describing import describe
from sage.irp import ConfigError, DeviceError, SageError
from sage.sensors import check_source, open_apartment, open_source
from sage.values import Observation, Twist
from sage.view.frames import contact_sheet, draw_scene, save_picture

STREET = Path(__file__).resolve().parents[2] / "shared/data/video/vtest.avi"
EXAMPLES = """\
examples:
  python demos/vision_real.py                            a street, or the apartment without it
  python demos/vision_real.py file:clip.mp4 --out seen.mp4
  python demos/vision_real.py camera:0 --frames 300
  python demos/vision_real.py sim:apartment?seed=3 --noise 50 --tolerance-db 0
  py-spy record -o vision.svg -- python demos/vision_real.py --frames 300 --quiet --out none
  nsys profile -t cuda,cudnn,osrt python demos/vision_real.py --frames 300 --quiet --out none
"""


def main() -> None:
    """Refine frame after frame, say how it went, draw what was seen."""
    args = arguments()
    plugin = VisionPlugin(
        VisionConfig(
            max_steps=args.max_steps,
            slope_eps=args.slope_eps,
            tolerance_db=args.tolerance_db,
            threads=args.threads,
        )
    )
    rng = np.random.default_rng(0)
    pictures, costs_ms, saved, things = [], [], 0, Counter[str]()
    falls: list[list[float]] = []  # the energy after each step, a list a frame

    for number, taken in enumerate(frames(args.camera, args.frames, args.every)):
        observation = noisy(taken, args.noise, rng)
        began_s = perf_counter()
        outcome = refine(plugin, observation)
        cost_ms = 1e3 * (perf_counter() - began_s)

        scene, trajectory = outcome.result, outcome.trajectory
        if scene is None:
            raise SageError(f"frame {number}: {outcome.error}")
        energies = list(trajectory.energies)
        falls.append(energies)
        costs_ms.append(cost_ms)
        saved += trajectory.saved_steps
        things.update(seen.label for seen in scene.detections)
        curve = " > ".join(f"{1e3 * energy:.2f}" for energy in energies)
        line = f"{outcome.reason.value}, {trajectory.saved_steps} saved, {cost_ms:.1f} ms"
        if not args.quiet:
            print(f"frame {number:3d}  energy {curve} e-3  {line}  {describe(scene)}")
        if args.out is not None:
            drawn = draw_scene(observation.data.rgb, scene, min_width_px=448)
            ends = f"{1e3 * energies[0]:.2f} > {1e3 * min(energies):.2f}"
            told = f"energy {ends} e-3, {len(energies)} steps, {cost_ms:.1f} ms"
            pictures.append((drawn, f"{told}\n{describe(scene)}"))

    if not falls:
        raise DeviceError(f"{args.camera} gave no frame")
    if len(costs_ms) > 1:
        costs_ms.pop(0)  # the first one is cold
    p50, p95 = np.percentile(costs_ms, [50, 95])
    steps = statistics.mean(map(len, falls))
    first = statistics.mean(energies[0] for energies in falls)
    best = statistics.mean(min(energies) for energies in falls)
    print(
        f"{len(falls)} frames, {steps:.1f} steps each of {args.max_steps}, {saved} steps saved; "
        f"{p50:.1f} ms a frame (p95 {p95:.1f})"
    )
    print(f"mean energy {first:.5f} after one step, {best:.5f} in the end: {first / best:.2f} x")
    print("seen: " + (", ".join(f"{n} {label}" for label, n in things.most_common(8)) or "nothing"))
    if args.out is not None:
        save(args.out, pictures, args.camera)
        print(f"pictures: {args.out}")


def noisy(observation: Observation, deviation: float, rng: np.random.Generator) -> Observation:
    """The observation with Gaussian noise added, its standard deviation of 255."""
    if deviation == 0.0:
        return observation
    rgb = observation.data.rgb + rng.normal(0.0, deviation, observation.data.rgb.shape)
    frame = replace(observation.data, rgb=np.clip(rgb, 0.0, 255.0).astype(np.uint8))
    return replace(observation, data=frame)


def frames(uri: str, count: int, every: int) -> Iterator[Observation]:
    """``count`` frames: a file's and the apartment's one by one, a camera's as they come."""
    scheme = check_source(uri).scheme
    live = scheme not in ("file", "sim")
    clock = RealClock() if live else VirtualClock()
    world = open_apartment(uri, clock=clock, lockstep=True) if scheme == "sim" else None
    source = open_source(uri, clock=clock, world=world, lockstep=not live)
    waiting: Queue[Observation] = Queue(0 if not live else 2)
    given = 0

    def deliver(observation: Observation) -> None:
        if observation.modality == "camera" and not waiting.full():
            waiting.put(observation)

    try:
        source.start(deliver)
        while given < count * every and not source.finished:
            if isinstance(clock, VirtualClock) and waiting.empty():
                if world is not None:
                    world.drive(Twist(0.0, 0.6))  # look around
                clock.advance_to(clock.now_s() + 0.005)  # shorter than any frame
                source.pump(clock.now_s())
            try:
                observation = waiting.get(timeout=5.0 if live else 0.0)
            except Empty:
                if live:
                    raise DeviceError(f"{source.uri}: no frame for 5 s") from source.error
                continue
            if given % every == 0:
                yield observation
            given += 1
        if source.error is not None:
            raise source.error
    finally:
        source.stop()
        if world is not None:
            world.close()


def save(path: Path, pictures: list[tuple[np.ndarray, str]], title: str) -> None:
    """A video where the name says so, else one sheet of up to twelve frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() != ".mp4":
        chosen = np.unique(np.linspace(0, len(pictures) - 1, 12).astype(int))
        save_picture(path, contact_sheet([pictures[index] for index in chosen], subtitle=title))
        return
    height_px, width_px, _ = pictures[0][0].shape
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (width_px, height_px))
    if not video.isOpened():
        raise DeviceError(f"--out {str(path)!r}: no video can be written there; try a .png")
    for rgb, caption in pictures:
        picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        for row, text in enumerate(caption.split("\n")):
            for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                at = 8, 18 + 18 * row
                cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thick)
        video.write(picture)
    video.release()


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = f"file:{STREET}" if STREET.is_file() else "sim:apartment"
    defaults = VisionConfig()
    parser.add_argument("camera", nargs="?", default=default, metavar="URI", help="what to look at")
    parser.add_argument("--frames", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--every", type=int, default=1, help="of so many frames, look at one")
    parser.add_argument(
        "--max-steps", type=int, default=defaults.max_steps, help="steps a frame, 1 to 20"
    )
    parser.add_argument(
        "--slope-eps",
        type=float,
        default=defaults.slope_eps,
        help=f"converged once a step gains less than this fraction ({defaults.slope_eps:g})",
    )
    parser.add_argument(
        "--tolerance-db",
        type=float,
        metavar="DB",
        help="enough once all further steps together promise less; 0 never (default: calibrated)",
    )
    parser.add_argument(
        "--noise", type=float, default=0.0, help="add Gaussian noise of this deviation, of 255"
    )
    parser.add_argument("--threads", type=int, default=1, help="of one inference (default 1)")
    parser.add_argument(
        "--out", default="vision_real.png", metavar="FILE", help=".png, .mp4 or none"
    )
    parser.add_argument("--quiet", action="store_true", help="only the figures at the end")
    args = parser.parse_args()
    for name in ("frames", "every"):
        if getattr(args, name) < 1:
            raise ConfigError(f"--{name} must be at least 1, got {getattr(args, name)}")
    if not 0.0 <= args.noise <= 255.0:
        raise ConfigError(f"--noise must be in [0, 255], got {args.noise:g}")
    args.out = None if args.out == "none" else Path(args.out)
    if args.out is not None and args.out.suffix.lower() not in (".png", ".mp4"):
        raise ConfigError(f"--out {str(args.out)!r} must end in .png or .mp4, or be none")
    return args


if __name__ == "__main__":
    try:
        main()
    except SageError as error:
        sys.exit(f"error: {error}")
