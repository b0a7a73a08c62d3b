from __future__ import annotations

import enum
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.config import dump, from_mapping, load, loads
from sage.irp.errors import ConfigError


class Tier(enum.Enum):
    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Camera:
    uri: str = "sim:apartment"
    rate_hz: float = 10.0
    size_px: tuple[int, int] = (224, 224)

    def __post_init__(self) -> None:
        if not 0.0 < self.rate_hz <= 240.0:
            raise ValueError(f"rate_hz must be in (0, 240], not {self.rate_hz:g}")


@dataclass(frozen=True, slots=True)
class Settings:
    name: str
    cycles: int = 10
    live: bool = True
    mode: Literal["fast", "careful"] = "fast"
    tier: Tier = Tier.THREAD
    camera: Camera = Camera()
    second: Camera | None = None
    seed: int | None = None
    output: Path = Path("out")
    lanes: tuple[str, ...] = ("perception", "control")
    floors: dict[str, float] = field(default_factory=dict)
    limit: int | float = 1
    extra: Any = None


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loads(text, Settings, where="robot.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("robot.yaml")
    return message


def test_everything_is_read_into_its_type() -> None:
    text = """
    name: rover
    cycles: 3
    live: false
    mode: careful
    tier: process
    camera: {uri: "camera:0", rate_hz: 30, size_px: [640, 480]}
    second: {rate_hz: 1e-1}
    seed: 7
    output: runs/today
    lanes: [perception]
    floors: {vision: 0.2, control: 1}
    limit: 0.5
    extra: [1, two]
    """
    assert loads(text, Settings) == Settings(
        name="rover",
        cycles=3,
        live=False,
        mode="careful",
        tier=Tier.PROCESS,
        camera=Camera("camera:0", 30.0, (640, 480)),
        second=Camera(rate_hz=0.1),
        seed=7,
        output=Path("runs/today"),
        lanes=("perception",),
        floors={"vision": 0.2, "control": 1.0},
        limit=0.5,
        extra=[1, "two"],
    )


def test_absent_keys_keep_their_defaults() -> None:
    assert loads("name: rover", Settings) == Settings(name="rover")


def test_an_integer_is_a_number_but_a_number_is_no_integer() -> None:
    assert type(loads("{name: r, camera: {rate_hz: 5}}", Settings).camera.rate_hz) is float
    assert "cycles must be a whole number, not 2.5" in refused("{name: r, cycles: 2.5}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name: r, cycels: 3}", "unknown key 'cycels' (did you mean 'cycles'?); valid: name, cyc"),
        ("{name: r, camera: {fps: 3}}", "camera: unknown key 'fps'; valid: uri, rate_hz, size_px"),
        ("cycles: 3", "key 'name' is missing"),
        ("{name: r, cycles: true}", "cycles must be a whole number, not true"),
        ("{name: r, cycles: '3'}", "cycles must be a whole number, not text '3'"),
        ("{name: 3}", "name must be text, not 3"),
        ("{name: r, live: on}", "live must be true or false, not text 'on'"),
        ("{name: r, live: 1}", "live must be true or false, not 1"),
        ("{name: r, mode: slow}", "mode is text 'slow'; valid: fast, careful"),
        ("{name: r, tier: remote}", "tier is text 'remote'; valid: thread, process"),
        ("{name: r, camera: camera:0}", "camera must be keys with values, not text 'camera:0'"),
        ("{name: r, camera: {rate_hz: 0}}", "camera: rate_hz must be in (0, 240], not 0"),
        ("{name: r, camera: {rate_hz: .nan}}", "camera.rate_hz must be a finite number, not nan"),
        ("{name: r, camera: {rate_hz: .inf}}", "camera.rate_hz must be a finite number, not inf"),
        ("{name: r, floors: {a: -.inf}}", "floors.a must be a finite number, not -inf"),
        ("{name: r, floors: {a: 1" + "0" * 400 + "}}", "floors.a must be a finite number, not one"),
        ("{name: r, camera: {size_px: [1, 2, 3]}}", "camera.size_px needs 2 values, found 3"),
        ("{name: r, camera: {size_px: [1, x]}}", "camera.size_px[1] must be a whole number"),
        ("{name: r, lanes: control}", "lanes must be a list, not text 'control'"),
        ("{name: r, lanes: [1]}", "lanes[0] must be text, not 1"),
        ("{name: r, floors: {vision: high}}", "floors.vision must be a number, not text 'high'"),
        ("{name: r, floors: {1: 0.5}}", "floors.1 must be text, not 1"),
        ("{name: r, seed: none}", "seed must be a whole number, not text 'none'"),
        ("{name: r, name: s}", ":1:11: key 'name' appears twice"),
        ("name: r\ncamera:\n  uri: a\n  uri: b\n", ":4:3: key 'uri' appears twice"),
        ("{name: r, limit: [1]}", "limit must be a whole number or a number, not a list"),
        ("name: [r\n", ":2:1: "),
        ("a: b: c", ":1:5: mapping values are not allowed here"),
        ("name: r\n\tcycles: 3", ":2:1: "),
        ("", "is empty; valid keys: name, cycles"),
        ("# nothing but a comment\n", "is empty"),
        ("- name", "must hold keys with values, not a list"),
        ("just words", "must hold keys with values, not text 'just words'"),
        ("? [a, b]\n: c", "a key must be a word"),
        ("name: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("{name: r, cycles: !!int many}", "invalid literal"),
        ("name: \x07", "broken YAML"),
        ("{" * 5000, "nested too deeply"),
        ("{name: r, second: &again {uri: *again}}", "second.uri must be text"),
    ],
)
def test_a_mistake_is_named_in_one_line(text: str, says: str) -> None:
    assert says in refused(text)


def test_plain_scalars_are_those_of_yaml_1_2() -> None:
    read = loads("{name: off, extra: [1e3, 12:30, 0777, 1_000, .inf, ~, yes]}", Settings)
    assert read.name == "off"
    assert read.extra == [1000.0, "12:30", 777, "1_000", float("inf"), None, "yes"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"configuration file '.*none\.yaml' does not exist"):
        load(tmp_path / "none.yaml", Settings)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, Settings)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml: not UTF-8 text \(byte 9\)"):
        load(latin, Settings)


def test_a_file_is_read_and_named_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("name: rover\ncamera:\n  rate_hz: 300\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"robot\.yaml: camera: rate_hz must be in \(0, 240\]"):
        load(path, Settings)
    path.write_text("name: rover\n", encoding="utf-8")
    assert load(path, Settings).name == "rover"


def test_a_mapping_may_hold_values_that_are_built_already() -> None:
    built = from_mapping(
        {"name": "r", "camera": Camera("camera:1"), "tier": Tier.PROCESS}, Settings
    )
    assert built.camera.uri == "camera:1"
    assert built.tier is Tier.PROCESS


TEXT = st.one_of(
    st.text(max_size=12).filter(lambda text: text.isprintable()),
    st.sampled_from(
        ["yes", "1e3", "12:30", "~", "null", "0x10", ".5", "- a", "a: b", "<<", "=", ""]
    ),
    st.from_regex(r"[-+]?[0-9.eE:_]{1,8}", fullmatch=True),
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Settings,
        name=TEXT,
        cycles=st.integers(-(10**12), 10**12),
        live=st.booleans(),
        mode=st.sampled_from(["fast", "careful"]),
        tier=st.sampled_from(Tier),
        camera=st.builds(
            Camera,
            uri=TEXT,
            rate_hz=st.floats(1e-300, 240.0),
            size_px=st.tuples(st.just(1), st.integers()),
        ),
        second=st.none() | st.just(Camera(uri="camera:1")),
        seed=st.none() | st.integers(0, 9),
        output=st.text(string.ascii_letters, min_size=1).map(Path),
        lanes=st.lists(TEXT, max_size=3).map(tuple),
        floors=st.dictionaries(TEXT, FINITE, max_size=3),
        limit=st.integers() | FINITE,
        extra=st.none() | TEXT,
    )
)
def test_what_is_dumped_reads_back_equal(settings: Settings) -> None:
    again = loads(dump(settings), Settings)
    assert again == settings
    assert type(again.limit) is type(settings.limit)
