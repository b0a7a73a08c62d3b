"""``python -m sage`` and the console script ``sage``: the same commands."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command named on the command line; returns its exit code."""
    from sage._safepath import secure_imports

    secure_imports()
    from sage.commands.cli import main as run_command

    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
