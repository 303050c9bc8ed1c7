"""Predicts photos with a checkpoint or an exported file, whatever its task.

python -m tasks.predict model=model.onnx input=photos/       NumPy, Pillow and the file's runtime are enough
python -m tasks.predict checkpoint=best.ckpt input=photos/   any key of python -m tasks.<task> mode=predict

model=FILE        .onnx, .xml, .tflite, .param, .pte, .pt2, on macOS .mlpackage, or its model.json
input=PHOTOS      an image, a folder, a glob or a .txt file of paths; with OpenCV also a video or camera (docs/video.md)
output=FOLDER     gets index.csv, labels/, boxes/, overlays/; default: outputs/predict/<date and time>
threads=N         of the runtime; default: its own
"""

import sys
import time
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from tasks.common.console import refusing, run_command
from tasks.common.cpu import MOST_THREADS
from tasks.common.errors import UserError
from tasks.common.plugins import take_from

KEYS = ("model", "input", "output", "threads")
INPUTS = "input=<image, folder, glob, list or video>"


def main() -> None:
    """Predict; user errors are printed in one line with exit status 2."""
    arguments = sys.argv[1:]
    if not arguments or {"--help", "-h"} & set(arguments):
        print(__doc__)
        return
    checkpoint = [word.partition("=")[2] for word in arguments if word.startswith("checkpoint=") and word[11:]]
    with refusing():
        take_from(arguments)
        if not checkpoint:
            predict_with_file(given(arguments))
            return
        from tasks.app.program import task_of

        task = task_of(Path(checkpoint[-1].strip("'\"")))
    by_command(task, arguments)


def given(arguments: Sequence[str]) -> dict[str, str]:
    """The keys that were typed.

    Raises:
        UserError: for one that is not key=value, is unknown, repeated or missing.
    """
    found: dict[str, str] = {}
    for word in arguments:
        key, is_pair, value = word.partition("=")
        if key == "plugins":
            continue
        if not is_pair or key not in KEYS:
            near = get_close_matches(key, (*KEYS, "checkpoint"), 1)
            meant = f" (did you mean {near[0]}=…?)" if near else ""
            raise UserError(
                f"{word}: not one of {'=…, '.join(KEYS)}=…, or checkpoint=… with any key of its task{meant}"
            )
        if key in found:
            raise UserError(f"{word}: {key} is given twice")
        found[key] = value
    for key, what in (("model", "model=<exported file> or checkpoint=<best.ckpt>"), ("input", INPUTS)):
        if not found.get(key):
            raise UserError(f"{key}=… is missing: {what}")
    threads = found.get("threads", "1")
    if not (threads.isascii() and threads.isdigit() and len(threads) < 9 and 1 <= int(threads) <= MOST_THREADS):
        raise UserError(f"threads={threads}: a whole number from 1 to {MOST_THREADS:,}")
    return found


def predict_with_file(keys: dict[str, str]) -> None:
    """Predict with an exported file, without PyTorch and Hydra.

    Raises:
        UserError: for a file that cannot be used, or photos that cannot be read.
    """
    from tasks.deploy.predicting import predict
    from tasks.predict.sources import find_sources

    sources = find_sources(keys["input"])
    folder = Path(keys.get("output") or Path("outputs", "predict", time.strftime("%Y-%m-%d_%H-%M-%S")))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"output={folder} exists and is not empty: name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output={folder}: {(error.strerror or str(error)).lower()}") from None
    predict(keys["model"], sources, folder, threads=int(keys["threads"]) if "threads" in keys else None)


def by_command(task: str, arguments: Sequence[str]) -> None:
    """Predict with a checkpoint, as the command of its task does."""
    from tasks.app.cli import main as command
    from tasks.multitask.arguments import spelled_out

    sys.argv[1:] = ["mode=predict", *arguments]
    command(task, spelled_out if task == "multitask" else list)


if __name__ == "__main__":
    run_command(main)
