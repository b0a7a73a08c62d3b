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
from typing import TYPE_CHECKING, Protocol

if __name__ == "__main__":  # before anything else of ours is imported
    from sage._safepath import secure_imports

    secure_imports()

from sage.commands.run_options import (
    DEFAULT_COMMANDS,
    TO_DECLINE,
    commands_said,
    parser,
    run_config,
)
from sage.irp.errors import ConfigError, SageError
from sage.speaking import Speaker

if TYPE_CHECKING:
    from sage.build import Runtime
    from sage.summary import Summary
    from sage.telemetry import Event
    from sage.values import Float32Array, Observation, Scene


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
    args = parser().parse_args(argv)
    if args.stdin and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    logging.basicConfig(level=logging.ERROR if args.quiet else logging.WARNING)
    config = run_config(args)
    commands = commands_said(args, config)
    from sage.build import build
    from sage.clock import RealClock

    runtime = build(config, clock=RealClock())
    if (doing := _hears_and_speaks(runtime)) and not args.quiet:
        print(doing)
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


def _hears_and_speaks(runtime: Runtime) -> str:
    """Who makes words of speech, and who says some; empty where nobody does."""
    heard, voice = runtime.listening.recogniser, runtime.voice
    parts = [f"hearing with {heard}"] if heard else []
    if voice.name != "none" or runtime.listening.scheme == "mic":
        parts.append(voice.told)
    return ", ".join(parts)


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

    summary = recorder.finish(
        interrupted=interrupted, unsaid=unsaid, worth=runtime.orchestrator.value.table()
    )
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
