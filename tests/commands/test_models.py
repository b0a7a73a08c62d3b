from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from models.vision.artifacts import FOLDER
from sage.commands import models as command
from sage.irp.errors import ConfigError


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with one family of one whole artifact."""
    family = tmp_path / "models" / "vision"
    family.mkdir(parents=True)
    (family / "step.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    card = json.loads((FOLDER / "card.json").read_text())
    card["files"] = {"step.onnx": {"sha256": digest, "float16_tensors": []}}
    (family / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(command, "models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def states(folder: Path) -> dict[str, str]:
    return {artifact.name: artifact.state for artifact in command.artifacts(folder)}


def test_whole_artifacts_are_listed(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    assert "vision/step.onnx" in printed
    assert "1 artifacts" in printed


def test_json_names_the_folder(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert listing["folder"] == str(shipped)
    assert [artifact["state"] for artifact in listing["artifacts"]] == ["ok"]


def test_damage_is_found_and_the_remedy_named(
    shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shipped.parent / ".git").mkdir()
    (shipped / "vision" / "step.onnx").write_bytes(b"weight5")
    assert command.main([]) == 1
    assert "mend it: git checkout -- models/vision" in capsys.readouterr().out


def test_missing_unnamed_and_unreadable_files_are_found(shipped: Path) -> None:
    (shipped / "vision" / "step.onnx").rename(shipped / "vision" / "stray.onnx")
    assert states(shipped) == {
        "vision/step.onnx": "missing",
        "vision/stray.onnx": "no model card names it",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged card: Expecting property name"),
        ("[]", "damaged card: it names no files"),
        ('{"files": {"a.onnx": {}}}', "damaged card: it gives no SHA-256 for 'a.onnx'"),
        ('{"files": {"../a.onnx": {"sha256": ""}}}', "damaged card: it gives no SHA-256 for '../a"),
    ],
)
def test_damaged_cards_are_found(shipped: Path, text: str, says: str) -> None:
    (shipped / "vision" / "card.json").write_text(text)
    assert states(shipped)["vision/card.json"].startswith(says)


def test_a_card_that_vision_cannot_use_is_found(
    shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shipped / "vision" / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "focal_px": -1.0}))
    assert command.main([]) == 1
    assert "'focal_px' is -1.0; valid: " in capsys.readouterr().out


@pytest.mark.parametrize("family", ["hearing", "vision"])
def test_every_family_checks_its_own_card(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "models" / family
    shutil.copytree(FOLDER.parent / family, place, ignore=shutil.ignore_patterns("*.py*", "__*"))
    monkeypatch.setattr(command, "models_folder", lambda: tmp_path / "models")
    assert set(states(tmp_path / "models").values()) == {"ok"}
    card = json.loads((place / "card.json").read_text())
    del card["confidence" if family == "hearing" else "calibration"]
    (place / "card.json").write_text(json.dumps(card))
    assert "is damaged" in states(tmp_path / "models")[f"{family}/card.json"]


def test_a_card_can_be_read(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--card", "vision"]) == 0
    assert "step.onnx" in json.loads(capsys.readouterr().out)["files"]
    with pytest.raises(ConfigError, match="no model card 'hearing'; valid: vision"):
        command.main(["--card", "hearing"])


def test_what_this_repository_ships_is_whole() -> None:
    found = states(command.models_folder())
    assert set(found.values()) == {"ok"}
    assert found.keys() >= {"hearing/silero_vad.onnx", "vision/step.onnx"}
