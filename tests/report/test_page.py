"""The page of a run: complete, self-contained, and there whatever is left of the run."""

from __future__ import annotations

import base64
import html.parser
import re
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from sage.irp import ConfigError, DeviceError
from sage.report.page import write_report
from sage.report.summary_file import RunSummary, write_summary
from tests.report.made_run import events, make_run, picture, summary, write_telemetry

VOID = {"meta", "img", "br", "link", "input"}
SELF_CLOSED = {"rect", "line", "path", "circle"}


class Reader(html.parser.HTMLParser):
    """Collects what a page is made of, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        if told.get("id"):
            self.ids.append(str(told["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def read(path: Path) -> tuple[str, Reader]:
    page = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [], "an element is not closed"
    return page, reader


def said(reader: Reader) -> str:
    return " ".join(" ".join(reader.text).split())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "20260102-030405")


def test_the_page_tells_the_whole_run(run: Path) -> None:
    path = write_report(run)
    assert path == run / "report.html"
    _, reader = read(path)
    text = said(reader)
    for words in (
        "1 of 2 commands done, 1 rightly declined",
        "2026-01-02 03:04:05 UTC",
        "sim:apartment?seed=7",
        "go to the kitchen",
        "91 % sure, pocketsphinx",
        "97 % likely, 400 ms after the last sound",
        '(go "<room>")',
        "4 of 8 steps, stable; 32 ATP spent, 28 returned",
        "I am in the kitchen",
        "confirmed: the robot is in the kitchen",
        "declined, rightly",
        "I cannot do that",
        "100 refinements, 3.0 steps",
        "superseded",
        "What it was worth",
        "value per 1000 ATP",
        "0.625",  # of vision
        "0.91",
        "a mug that was not there",
        "KITCHEN",
        "p50",
        "the whole run",
        "in the kitchen: a mug 1.1 m ahead",
        "sage report",
    ):
        assert words in text, words
    labels = [str(told.get("aria-label", "")) for tag, told in reader.tags if tag == "svg"]
    for drawing in ("Timeline", "Floor plan", "Energy of vision", "Energy of this parse", "Trust"):
        assert any(label.startswith(drawing) for label in labels), drawing
    assert "ghost" not in text, "what is believed off the map is not drawn"


def test_the_page_needs_nothing_else_and_everyone_can_read_it(run: Path) -> None:
    page, reader = read(write_report(run))
    assert not re.search(r"(?:src|href|url|from|import)\s*[=(]\s*[\"']?(?!data:|#)\S*//", page)
    for tag, told in reader.tags:
        assert tag not in ("link", "iframe", "object", "embed")
        if tag == "img":
            assert told["alt"], "a picture without a text"
            source = str(told["src"])
            assert source.startswith("data:image/jpeg;base64,")
            assert base64.b64decode(source.partition(",")[2]).startswith(b"\xff\xd8")
        if tag == "svg":
            assert told["role"] == "img"
            assert told["aria-label"]
        if tag == "a":
            assert str(told["href"]).startswith("#")
            assert str(told["href"])[1:] in reader.ids, "a link that leads nowhere"
    assert sum(tag == "img" for tag, _ in reader.tags) == 2
    assert len(reader.ids) == len(set(reader.ids))
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert not re.search(r"\b(?:nan|inf)\b", page.partition("<body>")[2])


HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)> & \'"</title></style>\x1b[2J'


def test_hostile_texts_are_only_texts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", HOSTILE)
    told = summary(HOSTILE)
    worse = msgspec.structs.replace(
        told,
        title=HOSTILE,
        device=HOSTILE,
        memory=HOSTILE,
        problems=[HOSTILE],
        commands=[
            msgspec.structs.replace(
                item, intent=HOSTILE, said=HOSTILE, why=HOSTILE, steps=[HOSTILE], state=HOSTILE
            )
            for item in told.commands
        ],
        sightings=[msgspec.structs.replace(told.sightings[0], label=HOSTILE)],
        pictures=[msgspec.structs.replace(told.pictures[0], caption=HOSTILE)],
    )
    write_summary(run, worse)
    page, reader = read(write_report(run))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert all("onerror" not in told for _, told in reader.tags)
    assert 'alert("1")' in said(reader), "it is told, as a text"


def test_names_of_plugins_and_reasons_are_only_texts(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    told = [
        event._replace(plugin=HOSTILE) if hasattr(event, "plugin") else event for event in events()
    ]
    write_telemetry(folder, told)  # type: ignore[arg-type]
    page, reader = read(write_report(folder))
    assert "<script>alert" not in page
    assert sum(tag == "script" for tag, _ in reader.tags) == 1


def test_pictures_outside_of_the_folder_are_not_taken_in(run: Path) -> None:
    picture(run.parent / "secret.png")
    told = summary()
    for name in ("../secret.png", str(run.parent / "secret.png"), "missing.png", "summary.json"):
        first = msgspec.structs.replace(told.commands[0], picture=name)
        pictures = [msgspec.structs.replace(told.pictures[0], file=name)]
        write_summary(run, msgspec.structs.replace(told, commands=[first], pictures=pictures))
        _, reader = read(write_report(run))
        assert not [tag for tag, _ in reader.tags if tag == "img"], name


def test_a_torn_last_line(run: Path) -> None:
    path = run / "telemetry.jsonl"
    path.write_bytes(path.read_bytes()[:-200])
    _, reader = read(write_report(run))
    assert "ends in the middle of a line: the run was cut off" in said(reader)
    assert "1 of 2 commands done" in said(reader)


def test_a_run_that_was_killed_has_no_last_line_and_no_summary(run: Path) -> None:
    path = run / "telemetry.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    (run / "summary.json").unlink()
    _, reader = read(write_report(run))
    text = said(reader)
    assert "the run did not end in order" in text
    assert "No summary" in text
    assert "1 of 2 commands done" in text
    assert "I am in the kitchen" in text
    assert "Refinement" in text


def test_lines_that_cannot_be_read_are_counted(run: Path) -> None:
    path = run / "telemetry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [b"\xff\xfe\n", b"{}\n", b'{"event":"cycle"}\n', b"[" * 5000 + b"\n", b"\n"]
    bad += [b'{"event":"kept","at_s":1,"experience":"x"}\n', b"y" * 3_000_000 + b"\n"]
    path.write_bytes(b"".join([*lines[:500], *bad, *lines[500:]]))
    _, reader = read(write_report(run))
    assert f"7 of {len(lines) + 7} lines could not be read" in said(reader)
    assert "1 of 2 commands done" in said(reader)


def test_without_telemetry_the_summary_is_told(run: Path) -> None:
    (run / "telemetry.jsonl").unlink()
    _, reader = read(write_report(run))
    assert "No telemetry" in said(reader)
    assert "1 of 2 commands done" in said(reader)
    assert "Where it went" in said(reader)


def test_a_summary_that_is_none(run: Path) -> None:
    (run / "summary.json").write_text('{"commands": 3}')
    _, reader = read(write_report(run))
    assert "is no summary of a run" in said(reader)
    (run / "summary.json").write_text('{"schema": "urn:other:9"}')
    assert "urn:other:9" in said(read(write_report(run))[1])


def test_an_empty_run(tmp_path: Path) -> None:
    write_telemetry(tmp_path, [])
    write_summary(tmp_path, RunSummary(exit_code=2, problems=["the camera went away"]))
    _, reader = read(write_report(tmp_path))
    assert "No commands were given" in said(reader)
    assert "the camera went away" in said(reader)


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written(run: Path) -> None:
    (run / "report.html").mkdir()
    with pytest.raises(DeviceError, match=r"cannot write .*report.html"):
        write_report(run)
    assert not list(run.glob("*.part"))


def test_numbers_that_are_none_leave_gaps(run: Path) -> None:
    told = summary()
    nan = float("nan")
    write_summary(
        run,
        msgspec.structs.replace(
            told,
            path=[*told.path[:50], (nan, nan, nan, nan), *told.path[50:]],
            start=(nan, nan, nan),
            sightings=[msgspec.structs.replace(told.sightings[0], x_m=float("inf"))],
            began_s=nan,
        ),
    )
    page, _ = read(write_report(run))
    assert not re.search(r"\b(?:nan|inf)\b", page.partition("<body>")[2])


def test_a_long_log_is_read_in_bounded_memory_into_a_small_page(run: Path) -> None:
    path = run / "telemetry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    body = b"".join(lines[1:-1])
    with path.open("wb") as file:  # the same ten seconds again and again
        file.write(lines[0])
        for _ in range(50):
            file.write(body)
        file.write(lines[-1])
    size_bytes = path.stat().st_size
    assert size_bytes > 5_000_000
    tracemalloc.start()
    write_report(run)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 0.9 * size_bytes
    assert (run / "report.html").stat().st_size < 1_000_000


def cells(page: str, name: str) -> list[str]:
    """A plugin's row in the table of what it was worth."""
    table = page[page.index("What it was worth") :]
    row = re.search(rf"<tr><td>{name}</td>(.*?)</tr>", table)
    assert row is not None
    return re.findall(r"<td[^>]*>(.*?)</td>", row.group(1))


def test_what_plugins_were_worth_is_told_without_a_summary_too(run: Path) -> None:
    assert cells(write_report(run).read_text(), "vision") == [
        "0.67",
        "2",
        "0.75",
        "0.625",
        "0.91",
        "1",
    ]
    (run / "summary.json").unlink()
    page = write_report(run).read_text()
    assert cells(page, "vision") == ["0.8", "2", "0.75", "\u2013", "\u2013", "1"]
    assert cells(page, "language")[1:3] == ["1", "1"]
