"""Our speed claims, each beside its fairest peer.

    python -m benchmarks                            the scripts, and what each compares with whom
    python -m benchmarks.<script>                   one of them
    python -m benchmarks all > claims.md            one after the other, half an hour on two idle cores
    python -m benchmarks all labels confusion       some of them
    python -m benchmarks all --photos <folder> --model <model.onnx> <image>

`all` writes a Markdown table to stdout: ours, then how many times as long each peer takes. What the scripts print goes
to stderr. Photos are generated unless a folder of JPEGs is given, and so is the exported file of first_prediction.
"""

import argparse
import ast
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from backbones.options import Parser
from benchmarks.timing import reported
from tasks.common.errors import suggestion

FOLDER = Path(__file__).parent
OF_PHOTOS, OF_MODEL = ("input_pipeline", "jpeg_decode"), "first_prediction"


def scripts() -> dict[str, str]:
    """The first line of each script's docstring by the script's name; modules that others import are no scripts."""
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        if "__main__" in text:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def run(script: str, arguments: Sequence[str]) -> tuple[str, int]:
    """What a script printed, in a process of its own, and its exit status. Everything is shown on stderr."""
    command = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    return "".join(lines), process.returncode


def rows(script: str, output: str) -> list[str]:
    """The rows of the table that a script's output gives."""
    made = []
    for title, ((ours, ms, _), *peers) in reported(output):
        others = "; ".join(f"{side} {ratio:.2f}×" for side, _, ratio in peers)
        made.append(f"| {title} | {ours}: {ms:.4g} ms | {others} | `python -m benchmarks.{script}` |")
    return made


def run_all(chosen: Sequence[str], arguments: Mapping[str, Sequence[str]]) -> int:
    """Run scripts one after the other and print the table; returns the number of those that failed."""
    print("| what | ours | peers, time relative to ours | command |\n|---|---|---|---|", flush=True)
    failed = 0
    for script in chosen:
        start = time.perf_counter()
        print(f"\n{script}", file=sys.stderr, flush=True)
        output, status = run(script, arguments.get(script, ()))
        print(*rows(script, output), sep="\n", end="\n" if reported(output) else "", flush=True)
        print(f"{script}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        if status:
            failed += 1
            print(f"| {script} | failed, exit status {status} | | `python -m benchmarks.{script}` |", flush=True)
    return failed


def main() -> int:
    known = scripts()
    parser = Parser("python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="all [<script> …]")
    parser.add_argument("--photos", help="folder of JPEGs for input_pipeline and jpeg_decode")
    parser.add_argument("--model", nargs=2, metavar=("FILE", "IMAGE"), help="exported file and photo")
    options = parser.parse_args()
    if not options.what:
        print(*(f"{name:18}{line}" for name, line in known.items()), sep="\n")
        return 0
    command, *chosen = options.what
    if command != "all":
        near = suggestion(command, ["all", *known])
        parser.error(f"{command}: all, or nothing for the list{near}; a script runs as python -m benchmarks.<script>")
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"no script {unknown[0]}: {', '.join(known)}{suggestion(unknown[0], known)}")
    arguments = {name: [options.photos] for name in OF_PHOTOS if options.photos}
    if options.model:
        arguments[OF_MODEL] = options.model
    return run_all(chosen or list(known), arguments)


if __name__ == "__main__":
    sys.exit(main())
