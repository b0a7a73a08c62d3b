"""Train the language model, export it, measure it and write its card.

Examples:
    python -m models.language.train                  # everything; goes on after a stop
    python -m models.language.train --from-trunk     # fine-tune the shipped trunk again, with folds
    python -m models.language.train --from-trunk --folds 0     # without the folds' figures
    python -m models.language.train --evaluate-only  # measure the shipped weights again

The trunk learns from a grammar, from the competition's generated commands and from a sentence
encoder (see ``models/language/teacher.py`` for the package that holds it). Fine-tuning adds
people's paraphrases. Data: ../shared/data/gpsr.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Final

from models.language import artifacts
from sage.irp.errors import ConfigError, SageError

CHECKPOINTS: Final = Path(__file__).parents[2] / "build" / "language"


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.language.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="parts, of commands and of forms; 0 leaves them out",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads")
    parser.add_argument("--output", type=Path, default=artifacts.FOLDER, metavar="FOLDER")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="FOLDER")
    stage = parser.add_mutually_exclusive_group()
    stage.add_argument("--from-trunk", action="store_true", help="do not train the trunk again")
    stage.add_argument("--evaluate-only", action="store_true", help="measure what --output holds")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = _arguments(argv)
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("models.language").setLevel(logging.INFO)
    # Before torch is loaded: its threads would wait spinning, and slow each other down tenfold
    # where other work shares the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        if not 1 <= arguments.threads <= 64:
            raise ConfigError(f"--threads {arguments.threads} must be in [1, 64]")
        if arguments.folds != 0 and not 2 <= arguments.folds <= 100:
            raise ConfigError(f"--folds {arguments.folds} must be 0 or in [2, 100]")
        from models.language import pipeline
        from models.language.card import summary

        if arguments.evaluate_only:
            card = pipeline.measure(arguments.output)
        else:
            card = pipeline.train(
                arguments.output,
                arguments.checkpoints,
                arguments.folds,
                arguments.threads,
                from_trunk=arguments.from_trunk,
            )
        print(f"wrote {arguments.output / 'CARD.md'}")
        print(summary(card))
    except SageError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
