"""Plugins in processes of their own: the same answers, and every way to fail is contained."""

from __future__ import annotations

import gc
import importlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator import PluginSettings, containment
from orchestrator.isolation import IsolatedPlugin, link, protocol
from sage.irp import (
    NO_CONTEXT,
    Batches,
    ConfigError,
    HaltReason,
    ModelError,
    PluginError,
    Refinement,
    Settles,
    Verifies,
    WarmStarts,
    refine,
)
from sage.irp.conformance import check_plugin
from tests.orchestrator.isolation import plugins
from tests.orchestrator.isolation.plugins import Able, Broken, Darken, Glance


@pytest.fixture(scope="module")
def able() -> Iterator[IsolatedPlugin]:
    """One process that several tests share: none of them ends it."""
    plugin = IsolatedPlugin(Able, step_limit_s=10.0)
    yield plugin
    plugin.close()


@pytest.fixture
def make() -> Iterator[Callable[..., IsolatedPlugin]]:
    made: list[IsolatedPlugin] = []

    def make(factory: Any = Darken, **options: Any) -> IsolatedPlugin:
        made.append(IsolatedPlugin(factory, **{"step_limit_s": 10.0, **options}))
        return made[-1]

    yield make
    for plugin in made:
        plugin.close()


def glance(fails: str = "", at_step: int = 0, size: int = 8, value: int = 100) -> Glance:
    return Glance(0.0, np.full((size, size, 3), value, np.uint8), fails, at_step)


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends in time; one that is dead and not yet reaped has ended."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.005)
    return False


def test_it_is_the_plugin_to_everybody_else(able: IsolatedPlugin) -> None:
    inside = Able()
    assert (able.name, able.invariants, able.halting) == ("able", Able.invariants, Able.halting)
    for ability in (Settles, WarmStarts, Batches, Verifies):
        assert isinstance(able, ability)
    there, here = refine(able, glance()), refine(inside, glance())
    assert there.trajectory.energies == here.trajectory.energies
    assert there.reason is here.reason is HaltReason.STABLE
    assert np.array_equal(there.result.picture, here.result.picture)
    assert there.result.pid == able.pid != os.getpid()


def test_it_has_only_the_abilities_that_it_has(make: Callable[..., IsolatedPlugin]) -> None:
    plain = make(Darken)
    assert not isinstance(plain, Settles | WarmStarts | Batches | Verifies)


def test_it_keeps_the_contract(able: IsolatedPlugin) -> None:
    check_plugin(lambda: able, [glance(), glance(size=3, value=9)])


def test_optional_abilities_work(able: IsolatedPlugin) -> None:
    cold = able.init_state(glance(), NO_CONTEXT)
    warm = able.warm_start(cold, np.full((2, 2), 7, np.uint8))  # type: ignore[attr-defined]
    stepped = able.step(warm)
    assert able.energy(warm) == 7.0
    assert able.energy(stepped) == 6.0
    assert able.settled(warm, stepped) is None  # type: ignore[attr-defined]
    assert able.settled(cold, stepped) is None  # type: ignore[attr-defined]
    assert not able.verify(able.result(stepped))  # type: ignore[attr-defined]
    assert able.verify(able.result(able.step(stepped)))  # type: ignore[attr-defined]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All requests made to any process."""
    requests: list[Any] = []
    ask = link.Link.ask

    def note(self: link.Link, request: Any, *rest: Any) -> Any:
        requests.append(request)
        return ask(self, request, *rest)

    monkeypatch.setattr(link.Link, "ask", note)
    return requests


def test_a_batch_is_one_exchange(able: IsolatedPlugin, asked: list[Any]) -> None:
    states = [able.init_state(glance(value=value), NO_CONTEXT) for value in (10, 20, 30)]
    after = able.step_batch(states)  # type: ignore[attr-defined]
    assert [able.energy(state) for state in after] == [9.0, 19.0, 29.0]
    assert [int(able.result(state).picture[0, 0, 0]) for state in after] == [9, 19, 29]
    assert len(asked) == 1


def test_a_step_is_one_exchange_and_the_result_is_none(
    able: IsolatedPlugin, asked: list[Any]
) -> None:
    outcome = refine(able, glance())
    assert outcome.result.steps == outcome.trajectory.steps == len(asked) == 3


def test_states_are_values(able: IsolatedPlugin) -> None:
    one, other = (able.init_state(glance(), NO_CONTEXT) for _ in range(2))
    assert one == other
    first, second = able.step(one), able.step(one)
    assert first == second != one
    assert able.result(first).steps == able.result(second).steps == 1
    with pytest.raises(PluginError, match="no state of its own"):
        able.step(Able().init_state(glance(), NO_CONTEXT))  # type: ignore[arg-type]


def test_a_step_that_changes_nothing_is_stuck(make: Callable[..., IsolatedPlugin]) -> None:
    outcome = refine(make(partial(Darken, least=99)), glance())
    assert outcome.reason is HaltReason.STUCK
    assert outcome.trajectory.energies == (99.0, 99.0)


def test_several_refinements_at_once(make: Callable[..., IsolatedPlugin]) -> None:
    """More of them than there are places for results: the others ask the process."""
    plugin = make(kept=2)
    running = [Refinement(plugin, glance(value=50 + number)) for number in range(4)]
    while sum(refinement.advance() for refinement in running):
        pass
    for number, refinement in enumerate(running):
        assert refinement.outcome is not None
        assert refinement.outcome.error is None
        assert (refinement.outcome.result.picture == 44 + number).all()


def test_threads_share_it(able: IsolatedPlugin) -> None:
    found: dict[int, float] = {}

    def work(value: int) -> None:
        for _ in range(20):
            found[value] = refine(able, glance(value=value)).result.picture.mean()

    threads = [threading.Thread(target=work, args=(value,)) for value in (20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {20: 17.0, 40: 37.0, 60: 57.0}


def test_the_process_forgets_with_us(make: Callable[..., IsolatedPlugin]) -> None:
    """Sixty large refinements, and it holds the memory of a few."""
    plugin = make(message_mb=8)
    refine(plugin, glance(size=1024))

    def held_mb() -> float:
        text = Path(f"/proc/{plugin.pid}/status").read_text()
        return int(re.findall(r"RssAnon:\s+(\d+)", text)[0]) / 1024

    before_mb = held_mb()
    for _ in range(10):
        refine(plugin, glance(size=1024))
    assert held_mb() < before_mb + 40.0


FAST = {
    "crash": r"died: its process was killed by SIGSEGV: .*plugins\.py|SIGSEGV: File",
    "abort": r"died: its process was killed by SIGABRT",
    "exit": r"died: its process ended with status 7: the camera is on fire$",
    "sysexit": r"died: its process ended with status 5",
    "raise": r"plugin 'darken': ValueError: too dark to see, in raise_value, .*plugins\.py:\d+$",
    "nan": r"plugin 'darken': energy is nan$",
}


@pytest.mark.parametrize("how", FAST)
def test_what_fails_is_said_at_once(how: str, make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make()
    outcome = refine(plugin, glance(how, at_step=2))
    assert outcome.reason is HaltReason.FAILED
    assert isinstance(outcome.error, PluginError)
    assert re.search(FAST[how], str(outcome.error)), outcome.error
    assert outcome.trajectory.steps == 2
    assert (outcome.result.picture == 98).all()  # the best so far survives
    assert outcome.trajectory.failed_step_cost_s < 5.0


@pytest.mark.parametrize("how", ["hang", "lock", "spin"])
def test_what_hangs_is_killed_in_time(how: str, make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make()
    refinement = Refinement(plugin, glance(how, at_step=2))
    refinement.advance()
    refinement.advance()
    plugin.step_limit_s = 0.1
    began_s = time.perf_counter()
    while refinement.advance():
        pass
    took_s = time.perf_counter() - began_s
    outcome = refinement.outcome
    assert outcome is not None
    assert isinstance(outcome.error, PluginError)
    assert str(outcome.error).endswith("took longer than 0.1 s and its process was killed")
    assert (outcome.result.picture == 98).all()
    assert 0.1 <= took_s < 2.0
    assert gone(plugin.pid)
    assert not plugin.alive


def test_memory_is_limited(make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make(memory_mb=80.0, step_limit_s=30.0)
    outcome = refine(plugin, glance("memory", at_step=1))
    assert "MemoryError" in str(outcome.error)
    assert outcome.result.steps == 1
    assert refine(plugin, glance()).answered  # it raised there, as any failing step does


def test_killed_from_outside(make: Callable[..., IsolatedPlugin]) -> None:
    """As the kernel does where the machine's memory runs out."""
    plugin = make()
    refinement = Refinement(plugin, glance())
    refinement.advance()
    refinement.advance()
    os.kill(plugin.pid, 9)
    while refinement.advance():
        pass
    outcome = refinement.outcome
    assert outcome is not None
    assert "killed by SIGKILL (out of memory?)" in str(outcome.error)
    assert (outcome.result.picture == 98).all()
    assert not plugin.alive
    with pytest.raises(PluginError, match="SIGKILL"):
        plugin.step(plugin.init_state(glance(), NO_CONTEXT))


def test_closing_ends_a_step_under_way(make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make(step_limit_s=60.0)
    refinement = Refinement(plugin, glance("hang", at_step=1))
    refinement.advance()
    thread = threading.Thread(target=refinement.advance)
    thread.start()
    time.sleep(0.05)
    plugin.close()
    plugin.close()
    thread.join(5.0)
    assert refinement.outcome is not None
    assert str(refinement.outcome.error) == "plugin 'darken' is closed"
    assert refinement.outcome.result.steps == 1
    assert gone(plugin.pid)


def test_it_ends_when_nobody_holds_it() -> None:
    plugin = IsolatedPlugin(Darken, step_limit_s=10.0)
    refine(plugin, glance())
    pid = plugin.pid
    files = len(os.listdir("/proc/self/fd"))
    del plugin
    gc.collect()
    assert gone(pid)
    assert len(os.listdir("/proc/self/fd")) < files


def test_a_fork_of_the_runtime_ends_nothing() -> None:
    """One that exits as programs do, and one that closes the plugin itself."""
    runtime = """
import os, sys
from orchestrator.isolation import IsolatedPlugin
from sage.irp import refine
from tests.orchestrator.isolation.plugins import Darken
from tests.orchestrator.isolation.test_process import glance

plugin = IsolatedPlugin(Darken, step_limit_s=10.0)
for closes in (False, True):
    fork = os.fork()
    if not fork:
        if closes:
            plugin.close()
        sys.exit(0)
    assert os.waitpid(fork, 0)[1] == 0
    outcome = refine(plugin, glance())
    assert plugin.alive and outcome.answered, outcome
"""
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", runtime], cwd=root, check=True, timeout=60.0)


def test_a_result_of_a_module_that_only_the_process_imported(
    make: Callable[..., IsolatedPlugin], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "only_there.py").write_text(plugins.ONLY_THERE)
    monkeypatch.syspath_prepend(tmp_path)
    plugin = make(plugins.ImportsThere)
    for _ in range(2):
        outcome = refine(plugin, glance())
        assert str(outcome.error) == (
            "plugin 'imports_there': a Found came whose module was never imported here; "
            "import only_there in the runtime"
        )
        assert outcome.reason is HaltReason.FAILED
        assert plugin.alive
    assert "only_there" not in sys.modules
    monkeypatch.setitem(sys.modules, "only_there", importlib.import_module("only_there"))
    found = refine(plugin, glance()).result
    assert found is not None
    assert found.where == "there"


def test_nothing_is_left_in_shared_memory(make: Callable[..., IsolatedPlugin]) -> None:
    before = set(os.listdir("/dev/shm"))
    plugin = make()
    refine(plugin, glance())
    assert set(os.listdir("/dev/shm")) <= before


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("model", ModelError, "^weights are gone; run sage models$"),
        ("value", PluginError, "ValueError: never made, in __init__"),
        ("exit", PluginError, "ended with status 3"),
        ("hang", PluginError, r"was not ready within 1 s"),
    ],
)
def test_what_cannot_be_made_says_why(how: str, error: type[Exception], said: str) -> None:
    timeout_s = 1.0 if how == "hang" else 30.0
    with pytest.raises(error, match=said):
        IsolatedPlugin(partial(Broken, how), step_limit_s=1.0, start_timeout_s=timeout_s)


def test_it_is_made_where_the_runtime_is(
    make: Callable[..., IsolatedPlugin], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make()  # whatever others are forked from is there by now
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACED", "here")
    make(partial(plugins.Placed, str(tmp_path), "here"))
    monkeypatch.delenv("PLACED")
    make(partial(plugins.Placed, str(tmp_path), None))


def test_siblings_draw_numbers_of_their_own(make: Callable[..., IsolatedPlugin]) -> None:
    drawn = {refine(make(plugins.Drawing), glance()).result for _ in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("factory", "made"),
    [
        (plugins.no_plugin, "int"),
        (plugins.Nameless, "Nameless"),
        (partial(plugins.named, ""), "Darken"),
        (partial(plugins.named, 7), "Darken"),
    ],
    ids=str,
)
def test_what_is_no_plugin_is_refused_as_it_is_in_a_thread(factory: Any, made: str) -> None:
    said = f"^{made} is no plugin: derive it from sage.IRPPlugin and name it$"
    for isolation in ("process", "thread"):
        with pytest.raises(PluginError, match=said):
            containment.made(factory, PluginSettings("perception", isolation=isolation))


@pytest.mark.parametrize(
    "factory", [lambda: Darken(), partial(lambda: Darken()), Darken().step], ids=str
)
def test_a_factory_without_a_name_is_refused(factory: Any) -> None:
    with pytest.raises(ConfigError, match="name a class or function of a module"):
        IsolatedPlugin(factory, step_limit_s=1.0)


def test_arguments_that_cannot_be_carried_are_refused() -> None:
    with pytest.raises(PluginError, match="cannot be carried"):
        IsolatedPlugin(partial(Darken, threading.Lock()), step_limit_s=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value"),
    [("step_limit_s", 0.0), ("start_timeout_s", -1.0), ("memory_mb", 0.0), ("kept", 0)],
)
def test_options_are_checked(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{option} must lie in .*, got {value!r}"):
        IsolatedPlugin(Darken, **{"step_limit_s": 1.0, option: value})  # type: ignore[arg-type]


def test_an_observation_that_cannot_be_carried(able: IsolatedPlugin) -> None:
    outcome = refine(able, threading.Lock())
    assert "lock cannot be carried" in str(outcome.error)
    assert refine(able, glance()).answered


def test_an_observation_that_is_too_large(make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make(message_mb=0.01)
    outcome = refine(plugin, glance(size=100))
    assert "MiB" in str(outcome.error)
    assert refine(plugin, glance()).answered


GARBAGE = [
    b"",
    b"\xc1",
    b"x" * (protocol.PACKET_LIMIT_BYTES + 1),
    b"\x91" * 5000,
    protocol.pack(protocol.Stepped(2**31 - 1, 0.0, [], [])),
    protocol.pack(protocol.Stepped(1, 0.0, [], [])),
    protocol.pack(protocol.Ready("x", ("a", "b", "c", "d"), 1, 0.0, 1, [])),
    *(
        protocol.pack(protocol.Stepped(1, 0.0, [], [protocol.Moved(1.0, verdict, "", where)]))
        for verdict, where in [
            ("never", None),
            (None, protocol.Where(0, 0, 10)),
            (None, protocol.Where(2**30, 0, 10)),
        ]
    ),
    *(
        protocol.pack(protocol.Stepped(1, 0.0, [], [protocol.Moved(1.0, None, "", where)]))
        for where in (protocol.Where(12, 0, 10), protocol.Where(12, 2**31 - 1, 2**31 - 1))
    ),
]


@pytest.mark.parametrize("packet", GARBAGE, ids=lambda packet: repr(packet[:12]))
def test_garbage_from_the_process(packet: bytes, make: Callable[..., IsolatedPlugin]) -> None:
    plugin = make(partial(plugins.lying, packet), step_limit_s=5.0)
    outcome = refine(plugin, glance())
    assert isinstance(outcome.error, PluginError), outcome
    assert outcome.reason is HaltReason.FAILED
    assert not plugin.alive
    assert gone(plugin.pid)
