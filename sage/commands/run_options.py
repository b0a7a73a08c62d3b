"""The options of ``sage run``, and the configuration that they make."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from sage.irp.errors import ConfigError

if TYPE_CHECKING:
    from sage.build import RunConfig

DESCRIPTION = (
    "sage run: a robot that hears, sees and drives, in the apartment or with your own devices."
)

DEFAULT_COMMANDS = (
    "go to the kitchen",
    "drive to the fridge",
    "find the apple",
    "what is the weather tomorrow",
    "how many fruits are there in the dining room",
    "go to the bed",
    "come back",
    "stop moving",
)

TO_DECLINE = ("what is the weather tomorrow",)
"""Of these commands, the ones that no robot like this can obey."""

EXAMPLES = """\
examples:
  sage run                                        the apartment, eight spoken commands, live view
  sage run --headless --seed 7 --say "find the apple" --say "come back"
  sage run --script commands.txt                  one command a line
  echo "go to the kitchen" | sage run --stdin --headless
  sage run --camera file:clip.mp4 --duration 20   vision on a video, nothing to drive
  sage run --camera file:clip.mp4 --detector yolo.onnx --labels names.txt    your own detector
  sage run --camera file:clip.mp4 --mic file:take.wav    what is seen and what is said
  sage run --camera camera:0 --mic mic: --robot python:mybase:Base --voice espeak-ng
  sage run --budget 0.5 --policy edf              half the compute, earliest deadline first
  sage run --isolation vision=process             what vision does to itself stays there

exit codes: 0 every command was done, and ground truth agrees where there is any, or there was no
robot to do them; 1 one was not;
2 a wrong option, file or device, which the message names; 130 stopped by Ctrl-C.
"""


def parser() -> argparse.ArgumentParser:
    """What ``sage run`` can be told."""
    parser = argparse.ArgumentParser(
        prog="sage run",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_argument_group("devices")
    where.add_argument(
        "--camera",
        metavar="URI",
        help="sim:apartment (default), file:PATH, camera:N, csi://N, rtsp://...",
    )
    where.add_argument(
        "--mic", metavar="URI", help="sim: (with the apartment), mic:, mic:NAME, file:PATH, none:"
    )
    where.add_argument(
        "--recogniser",
        metavar="NAME",
        help="who makes words of speech (auto: whisper where it is installed, else pocketsphinx)",
    )
    where.add_argument(
        "--voice",
        metavar="NAME",
        help="who says aloud what the robot tells: auto, espeak-ng, piper, none "
        "(auto with mic:, else none)",
    )
    where.add_argument(
        "--robot", metavar="URI", help="sim:, record:PATH.jsonl, python:module:Class, none:"
    )
    where.add_argument(
        "--detector", metavar="FILE", help="an ONNX detector that sees in place of vision"
    )
    where.add_argument("--labels", metavar="FILE", help="its class names, one a line (COCO)")
    where.add_argument("--head", metavar="NAME", help="the family of its outputs (recognised)")
    where.add_argument("--seed", type=int, metavar="N", help="which apartment (sim: only)")
    what = parser.add_argument_group("commands")
    what.add_argument(
        "--say",
        action="append",
        default=[],
        metavar="TEXT",
        help="played into the apartment's microphone where it was recorded, else typed; repeatable",
    )
    what.add_argument("--script", metavar="FILE", help="commands, one a line; # begins a comment")
    what.add_argument("--stdin", action="store_true", help="read commands while it runs")
    how = parser.add_argument_group("the run")
    what.add_argument(
        "--parser", choices=("language", "grammar"), help="who makes sense of words (language)"
    )
    how.add_argument("--config", metavar="FILE", help="settings in YAML")
    how.add_argument("--plugin", action="append", default=[], metavar="NAME", help="installed one")
    how.add_argument("--duration", type=float, metavar="S", help="end after so many seconds")
    how.add_argument("--headless", action="store_true", help="lines instead of the live view")
    how.add_argument("--out", metavar="DIR", default="runs", help="where its folder goes (runs)")
    how.add_argument(
        "--state",
        metavar="DIR",
        help="where memory and trust are kept (~/.local/state/sage); none keeps nothing",
    )
    budget = parser.add_argument_group("the budget")
    budget.add_argument(
        "--policy",
        metavar="NAME",
        help="who steps next: greedy (default), proportional, equal, edf",
    )
    budget.add_argument(
        "--budget",
        type=float,
        metavar="F",
        help="the fraction of the lanes' time that may be spent, in (0, 1] (1)",
    )
    budget.add_argument(
        "--isolation",
        action="append",
        default=[],
        metavar="PLUGIN=TIER",
        help="process gives a plugin a process of its own, thread (default) does not; repeatable",
    )
    how.add_argument("--quiet", action="store_true", help="no warnings")
    return parser


def run_config(args: argparse.Namespace) -> RunConfig:
    """The settings: a file's, with the command line's on top."""
    from sage.build import RunConfig
    from sage.config import load

    config = load(args.config, RunConfig) if args.config else RunConfig()
    changes: dict[str, Any] = {}
    if args.camera is not None:
        changes["camera"] = args.camera
    for name in ("robot", "mic", "recogniser", "voice", "parser"):
        if (value := getattr(args, name)) is not None:
            changes[name] = value
    if args.state is not None:
        changes["state_dir"] = None if args.state == "none" else args.state
    elif config.state_dir is None:
        from memory.schema import default_store_path

        changes["state_dir"] = str(default_store_path().parent)
    if args.plugin:
        changes["plugins"] = (*config.plugins, *args.plugin)
    changes |= _detection(args, config)
    changes |= _budget(args, config)
    camera = changes.get("camera", config.camera)
    if args.seed is not None:
        if not camera.startswith("sim:"):
            raise ConfigError(f"--seed {args.seed} is for sim:apartment, not for {camera!r}")
        if "seed=" in camera:
            raise ConfigError(f"--seed {args.seed}: {camera!r} names a seed already")
        changes["camera"] = f"{camera}{'&' if '?' in camera else '?'}seed={args.seed}"
    if args.duration is not None and not args.duration > 0.0:
        raise ConfigError(f"--duration must be positive seconds, got {args.duration}")
    return dataclasses.replace(config, **changes)


def _detection(args: argparse.Namespace, config: RunConfig) -> dict[str, Any]:
    """What the command line says of a detector."""
    given = {"model": args.detector, "labels": args.labels, "head": args.head}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return {}
    detection = dataclasses.replace(config.detection, **given)
    if not detection.model:
        option = "labels" if args.labels is not None else "head"
        raise ConfigError(f"--{option} {given[option]!r} is a detector's: add --detector FILE")
    return {"detection": detection}


def _budget(args: argparse.Namespace, config: RunConfig) -> dict[str, Any]:
    """What the command line says of policy, pool and isolation."""
    from orchestrator.config import FULL_ATP
    from orchestrator.policy import POLICIES

    frame: dict[str, Any] = {}
    if args.policy is not None:
        if args.policy not in POLICIES:
            raise ConfigError(f"--policy {args.policy!r} is none of {', '.join(POLICIES)}")
        frame["policy"] = args.policy
    if args.budget is not None:
        if not 0.0 < args.budget <= 1.0:
            raise ConfigError(f"--budget must lie in (0, 1], got {args.budget:g}")
        frame["pool_atp"] = FULL_ATP * args.budget
    changes: dict[str, Any] = {}
    if frame:
        changes["orchestrator"] = dataclasses.replace(config.orchestrator, **frame)
    if args.isolation:
        isolation: dict[str, str] = dict(config.isolation)
        for given in args.isolation:
            name, equals, tier = given.partition("=")
            if not (name and equals and tier):
                raise ConfigError(
                    f"--isolation {given!r} must be PLUGIN=TIER, such as vision=process"
                )
            isolation[name] = tier
        changes["isolation"] = isolation
    return changes


def commands_said(args: argparse.Namespace, config: RunConfig) -> tuple[str, ...]:
    """What to say first: what was asked for, or the tour where nobody else says anything."""
    from sage.skills.script import read_script

    commands = [text.encode("utf-8", "replace").decode("utf-8") for text in args.say]
    if args.script:
        commands += read_script(args.script)
    alone = config.camera.startswith("sim:") and (config.mic or "sim:").startswith("sim:")
    if not commands and not args.stdin and alone:
        return DEFAULT_COMMANDS
    return tuple(commands)
