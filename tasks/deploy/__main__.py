"""`python -m tasks.deploy [format …]`: every backbone under each task's default head, exported and compared."""

import sys
from collections.abc import Sequence
from functools import partial

from tasks.common.console import run_command
from tasks.common.errors import not_one_of
from tasks.common.formats import FORMATS
from tasks.deploy.settings import ExportSettings
from tasks.engine.settings import Run


def main(formats: Sequence[str]) -> int:
    """Print the table for these formats. Returns 1 if a file differs, 2 for an unknown format."""
    if {"-h", "--help"} & set(formats):
        print(f"{__doc__}\n\nformats: {', '.join(FORMATS)}; without any: onnx openvino")
        return 0
    for name in formats:
        if name not in FORMATS:
            print(f"error: {name} {not_one_of(name, FORMATS)}", file=sys.stderr)
            return 2
    from tasks.app.resolve import composed
    from tasks.deploy.every_network import compare_all  # imports torch and the formats' packages: seconds

    def configured(task: str, *words: str) -> tuple[Run, ExportSettings]:
        settings = composed(task, *words)
        return settings.run, settings.export

    return compare_all(formats, configured)


if __name__ == "__main__":
    sys.exit(run_command(partial(main, sys.argv[1:] or ["onnx", "openvino"])))
