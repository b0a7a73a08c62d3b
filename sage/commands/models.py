"""``sage models``: the shipped weights, their model cards, and whether the files are whole.

A folder below ``models/`` that ships weights holds ``card.json``; its ``files`` name every
artifact with its SHA-256. Nothing is loaded or run here.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CARD = "card.json"
GOOD = "ok"
FAMILIES = ("hearing", "language", "vision")
"""Those whose ``artifacts`` module reads and checks the card at run time."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One weights file: ``state`` is ``ok`` or what is wrong with it."""

    name: str
    path: str
    size_bytes: int
    state: str
    remedy: str


def main(argv: Sequence[str] | None = None) -> int:
    """List the artifacts; 0 if all are whole, 1 if one is missing or damaged."""
    parser = argparse.ArgumentParser(
        prog="sage models", description="List and verify the shipped models."
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--card", metavar="NAME", help="print the model card of one folder")
    options = parser.parse_args(argv)
    folder = models_folder()
    if options.card is not None:
        return _print_card(folder, options.card)
    found = list(artifacts(folder))
    if options.json:
        listing = {"folder": str(folder), "artifacts": [asdict(artifact) for artifact in found]}
        print(json.dumps(listing, indent=2))
    else:
        for artifact in found:
            print(f"{artifact.name:<32} {artifact.size_bytes / 1e6:8.2f} MB  {artifact.state}")
            if artifact.state != GOOD:
                print(f"  mend it: {artifact.remedy}")
        total_mb = sum(artifact.size_bytes for artifact in found) / 1e6
        print(f"{len(found)} artifacts, {total_mb:.1f} MB in {folder}")
    return 0 if all(artifact.state == GOOD for artifact in found) else 1


def models_folder() -> Path:
    """Where the installed ``models`` package is."""
    import models

    return Path(models.__path__[0])


def artifacts(folder: Path) -> Iterator[Artifact]:
    """Every artifact that a card names, and every ONNX file that none does, below ``folder``."""
    named: set[Path] = set()
    for card_path in sorted(folder.rglob(CARD)):
        remedy = _remedy(folder, card_path.parent)
        try:
            files: dict[str, str] = _digests(card_path)
        except (OSError, ValueError, RecursionError) as error:
            yield _artifact(folder, card_path, f"damaged card: {error}", remedy)
            continue
        fault = _fault(folder, card_path)
        if fault:
            yield _artifact(folder, card_path, fault, remedy)
        for name, digest in files.items():
            path = card_path.parent / name
            named.add(path)
            yield _artifact(folder, path, _state(path, digest), remedy)
    for path in sorted(folder.rglob("*.onnx")):
        if path not in named:
            yield _artifact(folder, path, "no model card names it", _remedy(folder, path.parent))


def _digests(card_path: Path) -> dict[str, str]:
    """File name to SHA-256; ValueError if the card does not say."""
    card: Any = json.loads(card_path.read_text(encoding="utf-8"))
    files = card.get("files") if isinstance(card, dict) else None
    if not isinstance(files, dict) or not files:
        raise ValueError("it names no files")
    digests = {}
    for name, entry in files.items():
        digest = entry.get("sha256") if isinstance(entry, dict) else None
        if not isinstance(digest, str) or Path(name).name != name:
            raise ValueError(f"it gives no SHA-256 for {name!r}")
        digests[name] = digest
    return digests


def _fault(folder: Path, card_path: Path) -> str:
    """What a family that reads its card at run time would say of it; empty if nothing."""
    if card_path.parent.parent != folder or card_path.parent.name not in FAMILIES:
        return ""
    from sage.irp.errors import ModelError

    artifacts = importlib.import_module(f"models.{card_path.parent.name}.artifacts")
    try:
        artifacts.load_card(card_path.parent)
    except ModelError as error:
        return str(error).partition("; run `")[0]
    return ""


def _state(path: Path, digest: str) -> str:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"
    return GOOD if found == digest else "damaged: its SHA-256 is not the card's"


def _artifact(folder: Path, path: Path, state: str, remedy: str) -> Artifact:
    size = path.stat().st_size if path.is_file() else 0
    return Artifact(str(path.relative_to(folder)), str(path), size, state, remedy)


def _remedy(folder: Path, family: Path) -> str:
    """The command that brings a family's files back."""
    name = family.relative_to(folder)
    if (folder.parent / ".git").exists():
        return f"git checkout -- models/{name}"
    return "pip install --force-reinstall --no-deps sage-irp"


def _print_card(folder: Path, name: str) -> int:
    from sage.irp.errors import ConfigError

    cards = {str(path.parent.relative_to(folder)): path for path in folder.rglob(CARD)}
    if name not in cards:
        raise ConfigError(f"no model card '{name}'; valid: {', '.join(sorted(cards)) or 'none'}")
    print(cards[name].read_text(encoding="utf-8").rstrip())
    return 0
