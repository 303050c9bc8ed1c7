"""Writes the page of a run again, from the files in its folder: also of runs that were made before there was one.

python -m tasks.report outputs/segment/<date>_<time> …    writes report.html into each folder
"""

import sys
from pathlib import Path

from tasks.common.console import refusing, report, run_command
from tasks.common.errors import UserError
from tasks.report.write import told, written


def main() -> None:
    """Write the pages; user errors are printed in one line with exit status 2."""
    words = sys.argv[1:]
    if not words or {"--help", "-h"} & set(words):
        print(__doc__)
        return
    with refusing():
        for word in words:
            if word.startswith("-") or "=" in word:
                raise UserError(f"{word}: no option here; name folders of runs")
        for word in words:
            page = written(Path(word))
            report(told(page.path))
            for line in page.damaged:
                report(f"left out  {line}")


if __name__ == "__main__":
    run_command(main)
