"""``sage report``: make the page of a run again, from the files that it left."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """\
examples:
  sage report                         the newest run in runs/
  sage report runs/20260101-120000    that one; also works after a run that was killed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and print where it is; errors are ``SageError``, one line each."""
    parser = argparse.ArgumentParser(
        prog="sage report",
        description="Make the HTML report of a run again, from its telemetry and its summary.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        nargs="?",
        type=Path,
        default=Path("runs"),
        metavar="RUN",
        help="the folder of a run, or one that holds runs (runs)",
    )
    options = parser.parse_args(argv)
    from sage.report.folder import find_run
    from sage.report.page import write_report

    print(write_report(find_run(options.run)))
    return 0
