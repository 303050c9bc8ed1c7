"""`checkpoint=best.ckpt dataset.val_split=test`: keys of a data set are those of the one that was trained on."""

import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backbones.weight_files import SUFFIX, published_file
from tasks.checkpoint.manifest import CARD
from tasks.config.targets import name_of_today

LARGEST = 1 << 26  # bytes of a checkpoint's pickle, without its tensors: ours are 1 MB at most
UNREADABLE = (
    OSError,
    ValueError,  # no pickle, or no UTF-8
    zipfile.BadZipFile,
    NotImplementedError,  # zip: a method of compression that Python does not have
    RuntimeError,  # zip: encrypted
)
TARGET = re.compile(r"^_target_: *(\S+)", re.MULTILINE)


def implied_data_set(arguments: Sequence[str], folders: Iterable[Path]) -> list[str]:
    """The `dataset=<option>` that a command line leaves to its checkpoint or exported file; [] if there is none.

    Only needed where keys of the data set are typed: Hydra refuses those that the default one does not have. Values
    come from the checkpoint once it is read; its pickle is only searched for names here, and PyTorch is not imported.

    Args:
        arguments: of the command line.
        folders: of the groups.
    """
    typed = dict(word.split("=", 1) for word in arguments if "=" in word and not word.startswith("-"))
    names = [name.lstrip("+~") for name in typed]
    if "dataset" in names or not any(name.startswith("dataset.") for name in names):
        return []
    key = "resume" if "resume" in typed else "checkpoint" if "checkpoint" in typed else "model"
    trains = typed.get("mode", "train") == "train" or typed.get("search") == "recipe"
    if key not in typed or (key != "resume" and trains):
        return []
    options = {target: name for name, target in options_of(folders)}
    path = published_file(Path(typed[key].strip("'\"")).expanduser())
    found = {options[text] for text in map(name_of_today, texts_of(path)) if text in options}
    return [f"dataset={found.pop()}"] if len(found) == 1 else []


def options_of(folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """The options of the group `dataset`, each with its class."""
    for folder in folders:
        for file in sorted((folder / "dataset").glob("*.yaml")):
            if target := TARGET.search(file.read_text(encoding="utf-8")):
                yield file.stem, target[1]


def texts_of(path: Path) -> set[str]:
    """The texts in a checkpoint's pickle or header, or an exported file's card; none of a file that is neither."""
    card = path.with_name(CARD)
    try:
        if path.suffix == SUFFIX:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                return set(re.findall(r'"([\w.]+)\\"', file.read(min(size, LARGEST)).decode(errors="replace")))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                entry = next((each for each in file.infolist() if each.filename.endswith("/data.pkl")), None)
                if entry is not None:
                    content = file.read(entry) if entry.file_size <= LARGEST else b""
                    return {text for _, text, _ in pickletools.genops(content) if isinstance(text, str)}
        if path.suffix != ".ckpt" and card.stat().st_size <= LARGEST:
            return set(re.findall(r'"([\w.]+)"', card.read_text(encoding="utf-8")))
    except UNREADABLE:
        return set()  # reading the file says what is wrong with it
    return set()
