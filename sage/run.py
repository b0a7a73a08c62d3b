"""sage run: a robot that hears, sees and drives, in the apartment or with your own devices."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import io
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if __name__ == "__main__":  # before anything else of ours is imported
    from sage._safepath import secure_imports

    secure_imports()

from sage.irp.errors import ConfigError, SageError
from sage.speaking import Speaker

if TYPE_CHECKING:
    from sage.build import RunConfig, Runtime
    from sage.summary import Summary
    from sage.telemetry import Event
    from sage.values import Float32Array, Observation, Scene

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
  sage run --camera file:clip.mp4 --mic file:take.wav    what is seen and what is said
  sage run --camera camera:0 --mic mic: --robot python:mybase:Base

exit codes: 0 every command was done, and ground truth agrees where there is any, or there was no
robot to do them; 1 one was not;
2 a wrong option, file or device, which the message names; 130 stopped by Ctrl-C.
"""


class View(Protocol):
    """What shows a run while it goes on."""

    def __call__(self, event: Event) -> None:
        """Take in a telemetry event."""
        ...

    def start(self) -> None:
        """Begin to show."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code. Errors are ``SageError``, one line each."""
    args = _parser().parse_args(argv)
    if args.stdin and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    logging.basicConfig(level=logging.ERROR if args.quiet else logging.WARNING)
    config = _config(args)
    commands = _commands(args, config)
    from sage.build import build
    from sage.clock import RealClock

    runtime = build(config, clock=RealClock())
    try:
        if runtime.body is None and (args.say or args.script or args.stdin):
            raise ConfigError(
                f"commands need a robot with a map, and {config.camera!r} has none; "
                "use --camera sim:apartment, or leave --say, --script and --stdin out"
            )
        summary = _watched(runtime, commands, args)
        fault = runtime.fault or runtime.source.error
    finally:
        runtime.close()
    print(summary.text())
    if fault is not None and not summary.interrupted:
        raise fault  # after the summary: what was recorded until then is not lost
    return summary.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sage run",
        description=__doc__,
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
        "--recogniser", metavar="NAME", help="who makes words of speech (pocketsphinx, whisper)"
    )
    where.add_argument(
        "--robot", metavar="URI", help="sim:, record:PATH.jsonl, python:module:Class, none:"
    )
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
    how.add_argument("--quiet", action="store_true", help="no warnings")
    return parser


def _config(args: argparse.Namespace) -> RunConfig:
    """The settings: a file's, with the command line's on top."""
    from sage.build import RunConfig
    from sage.config import load

    config = load(args.config, RunConfig) if args.config else RunConfig()
    changes: dict[str, Any] = {}
    if args.camera is not None:
        changes["camera"] = args.camera
    for name in ("robot", "mic", "recogniser", "parser"):
        if (value := getattr(args, name)) is not None:
            changes[name] = value
    if args.state is not None:
        changes["state_dir"] = None if args.state == "none" else args.state
    elif config.state_dir is None:
        from memory.schema import default_store_path

        changes["state_dir"] = str(default_store_path().parent)
    if args.plugin:
        changes["plugins"] = (*config.plugins, *args.plugin)
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


def _commands(args: argparse.Namespace, config: RunConfig) -> tuple[str, ...]:
    """What to say first: what was asked for, or the tour where nobody else says anything."""
    from sage.skills.grammar import read_script

    commands = [text.encode("utf-8", "replace").decode("utf-8") for text in args.say]
    if args.script:
        commands += read_script(args.script)
    alone = config.camera.startswith("sim:") and (config.mic or "sim:").startswith("sim:")
    if not commands and not args.stdin and alone:
        return DEFAULT_COMMANDS
    return tuple(commands)


def _voice(text: str) -> tuple[Float32Array, int] | None:
    """The recording of a command, if there is one."""
    from sage.hearing import RATE_HZ
    from sage.worlds.apartment.voices import recording_for

    try:
        return recording_for(text).samples(), RATE_HZ
    except ConfigError:
        return None


def _watched(runtime: Runtime, commands: Sequence[str], args: argparse.Namespace) -> Summary:
    """Run to the end under a view; returns what came of it, once it is in the run's folder."""
    from sage.device import device_name
    from sage.report.folder import point_latest
    from sage.report.from_run import run_summary
    from sage.report.page import write_report
    from sage.report.summary_file import TELEMETRY_NAME, write_summary
    from sage.summary import Recorder, Robot
    from sage.telemetry.jsonl import JsonlSink

    out = _folder(Path(args.out))
    point_latest(out)
    sink = JsonlSink(out / TELEMETRY_NAME, clock=runtime.clock, device=device_name())
    runtime.telemetry.subscribe(sink)
    began, began_s = datetime.now(timezone.utc), runtime.clock.now_s()
    robot = None
    if (body := runtime.body) is not None:
        robot = Robot(body.navigator, body.sightings, body.start)
    truth = None if runtime.world is None else runtime.world.truth
    recorder = Recorder(runtime.config.camera, out, runtime.agent, robot, truth)
    runtime.telemetry.subscribe(recorder)
    runtime.on_scene.append(recorder.saw)
    view, show_frame = _view(args, runtime.config.camera)
    runtime.telemetry.subscribe(view)
    if show_frame is not None:
        runtime.on_scene.append(show_frame)
    runtime.telemetry.start()
    by_default = tuple(commands) == DEFAULT_COMMANDS
    speaker = Speaker(
        runtime.agent,
        commands,
        clock=runtime.clock,
        loudspeaker=runtime.listening.loudspeaker,
        voice=_voice,
        on_said=lambda number, said: recorder.expect(
            number, said, to_decline=by_default and said in TO_DECLINE
        ),
        listen_to=sys.stdin if args.stdin else None,
    )
    runtime.on_heard.append(lambda number, said: speaker.heard(number))
    view.start()
    try:
        runtime.start()
        interrupted = asyncio.run(_until_done(runtime, speaker, args.duration))
        unsaid = speaker.give_up(
            "interrupted" if interrupted else "the run ended before it was done"
        )
    finally:
        runtime.telemetry.flush()
        view.close()
        if runtime.store is not None:
            runtime.store.flush()
            runtime.telemetry.flush()  # what was kept last
        sink.close(runtime.telemetry.lost)
    ended_s = runtime.clock.now_s()
    fault = runtime.fault or runtime.source.error or runtime.listening.microphone.error
    problems = [str(text) for text in (fault, sink.fault, *_memory_faults(runtime)) if text]

    def write(summary: Summary) -> None:
        told = run_summary(
            summary,
            title=runtime.config.camera,
            robot=robot,
            began=began,
            began_s=began_s,
            ended_s=ended_s,
            problems=problems,
            untold=runtime.telemetry.lost,
            memory=None if runtime.store is None else str(runtime.store.path),
        )
        write_summary(out, told)

    summary = recorder.finish(interrupted=interrupted, unsaid=unsaid)
    failures = [summary.problem] if summary.problem else []
    try:
        write(summary)  # before the pictures, which are what fills a small disk
        summary = recorder.draw(summary)
        write(summary)
        summary = dataclasses.replace(summary, report=write_report(out))
    except SageError as error:
        failures += [text for text in (summary.problem, str(error)) if text not in ("", *failures)]
        summary = dataclasses.replace(summary, problem="; ".join(failures))
    return dataclasses.replace(summary, hearing=_hearing(runtime))


def _hearing(runtime: Runtime) -> str:
    """How much was heard of a microphone or a file, in words; nothing of the apartment's."""
    ears = runtime.listening.ears
    if ears is None or runtime.listening.scheme == "sim":
        return ""
    counts = ears.counts()
    if counts.utterances:
        return f"heard {counts.utterances} utterances in {counts.heard_s:.1f} s"
    peak_db = 20.0 * math.log10(max(counts.peak, 1e-6))
    return f"heard no speech in {counts.heard_s:.1f} s (the loudest sample: {peak_db:.0f} dBFS)"


def _memory_faults(runtime: Runtime) -> tuple[str, ...]:
    """What memory could not keep, and why."""
    store = runtime.store
    if store is None:
        return ()
    lost = f"{store.dropped} experiences were not kept" if store.dropped else ""
    return (store.fault or "", lost)


def _folder(parent: Path) -> Path:
    """A new folder for this run's pictures, made now: better an error before the robot moves."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise ConfigError(f"--out {str(parent)!r} is not a folder") from None
            continue
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"--out {str(parent)!r} cannot be written: {why}") from None
        return folder
    raise ConfigError(f"--out {str(parent)!r}: too many runs began in this second")


def _view(
    args: argparse.Namespace, camera: str
) -> tuple[View, Callable[[Observation, Scene], None] | None]:
    """The live view on a terminal, lines elsewhere."""
    from sage.view.terminal import TerminalView

    # Commands typed on the same terminal would be echoed across the live view.
    typed = args.stdin and sys.stdin.isatty()
    if args.headless or typed or not TerminalView.possible():
        from sage.view.headless import HeadlessView

        return HeadlessView(), None
    view = TerminalView(camera)
    return view, lambda observation, scene: view.show_frame(observation.data.rgb, scene)


async def _until_done(runtime: Runtime, speaker: Speaker, duration_s: float | None) -> bool:
    """Tick until the commands are done, the source ends, the time is over, or Ctrl-C."""
    stop = asyncio.Event()
    interrupted = False
    clock = runtime.clock
    until_s = clock.now_s() + duration_s if duration_s is not None else float("inf")

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    def tick() -> None:
        speaker.tick()
        listening = runtime.listening.waits
        # Where there is nothing to drive, the camera's end is the run's; all is heard out first.
        driven = runtime.body is not None or runtime.listening.scheme != "none"
        done = driven and speaker.done and not listening
        ended = runtime.source.finished and not listening and runtime.agent.idle
        failed = runtime.fault is not None or runtime.source.error is not None
        if done or ended or (failed and not listening) or clock.now_s() >= until_s:
            stop.set()

    runtime.orchestrator.on_tick(tick)
    with _signals(interrupt):
        await runtime.orchestrator.run(stop)
    return interrupted


@contextlib.contextmanager
def _signals(act: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, a polite kill and a terminal that is closed end the run in order."""
    loop = asyncio.get_running_loop()
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in ending:
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in ending:
            loop.remove_signal_handler(number)


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
