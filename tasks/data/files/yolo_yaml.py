"""What describes a data set in YOLO's format: data.yaml of Ultralytics and Roboflow, obj.data, classes.txt."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tasks.common.errors import UserError
from tasks.data.files.opening import open_file, reason
from tasks.data.files.split_names import VAL
from tasks.data.files.walk import found_in

ALIASES = {"val": VAL, "valid": ("valid", "val", "validation")}
LISTS = ("classes.txt", "obj.names", "_darknet.labels")  # of class names, one a line
LARGEST = 16_000_000  # bytes
EMPTY = ("", "null", "~", "None")


class Description(NamedTuple):
    """What a data set consists of.

    Attributes:
        source: the file that says it.
        folders: to which its paths may be relative; the first one is meant.
        names: of the classes.
        splits: folders or lists of each split, as written.
        keypoints: numbers of an object's keypoints.
        notes: lines to print.
    """

    source: Path
    folders: Sequence[Path]
    names: Sequence[str]
    splits: Mapping[str, Sequence[str]]
    keypoints: int = 0
    notes: Sequence[str] = ()

    def parts(self, split: str) -> Sequence[str]:
        """Folders or lists of a split; [] if it is not named."""
        names = ALIASES.get(split, (split,))
        return next((self.splits[name] for name in names if self.splits.get(name)), [])


def describe(path: Path) -> Description:
    """Read data.yaml, obj.data, or a folder that holds one of them or a list of its classes.

    Raises:
        UserError: for anything else, or an error in it.
    """
    if path.is_dir():
        return describe_folder(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return from_yaml(path)
    if path.suffix.lower() == ".data":
        return from_data(path)
    raise UserError(f"dataset.data={path} is neither a data.yaml nor Darknet's obj.data")


def describe_folder(folder: Path) -> Description:
    """What is said in a folder: data.yaml first, then another YAML with names, obj.data, a list of classes."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml", ".data"))
    named = [path for path in files if path.name in ("data.yaml", "data.yml", "dataset.yaml")]
    found = named or [path for path in files if path.suffix == ".data"] or files
    if len(found) == 1 or named:
        return describe(found[0])
    if found:
        some = ", ".join(path.name for path in found[:4])
        raise UserError(f"{folder} has {len(found)} descriptions ({some}): name one, dataset.data=<file>")
    places = [
        folder,
        folder / "labels",
        folder / "images",
        folder / "train",
        folder / "train" / "labels",
        folder / "obj_train_data",
    ]
    lists = [place / name for place in places for name in LISTS] + sorted(folder.glob("*.names"))
    source = next((path for path in lists if path.is_file()), None)
    if source is None:
        raise UserError(
            f"no YOLO data set at {folder}: no data.yaml, no obj.data and no classes.txt (names of the classes, one a "
            f"line); found: {found_in(folder)}\nset dataset.data=<data.yaml> or dataset.root=<folder>"
        )
    splits = {
        split: [below]
        for split in ("train", *VAL, "test")
        for below in (f"images/{split}", f"{split}/images", split)[::-1]
        if (folder / below).is_dir()
    }
    lists_of = {
        split: [f"{split}.txt"] for split in ("train", "val", "valid", "test") if (folder / f"{split}.txt").is_file()
    }
    return Description(source, [folder], read_names(source), splits or lists_of or {"train": ["."]})


def from_yaml(path: Path) -> Description:
    """Read a data.yaml."""
    try:
        # Builds texts, lists and dicts only: YAML 1.1 would read a class named no as false, and 010 as 8.
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} has no train, val and names: it is no data.yaml")
    folders, notes = [path.parent], list[str]()
    root = content.get("path", "")
    if isinstance(root, str) and root not in EMPTY:
        folder = path.parent / root.replace("\\", "/")
        if folder.is_dir():
            folders.insert(0, folder)
        else:
            notes.append(f"{path.name}: path {root} is no folder here: its own folder, {path.parent}, is meant instead")
    splits = {name: as_parts(content[name], f"{path}: {name}") for names in SPLITS for name in names if name in content}
    names, more = names_of(content, path)
    return Description(path, folders, names, splits, keypoints_of(content, path), (*notes, *more))


SPLITS = (("train",), ALIASES["val"], ("test",))


def as_parts(value: Any, what: str) -> list[str]:
    """A text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in values):
        raise UserError(f"{what} is not a folder, a .txt list, or a list of them")
    return [part for part in values if part not in EMPTY]


def names_of(content: Mapping[str, Any], path: Path) -> tuple[list[str], list[str]]:
    """Names of the classes in a data.yaml, and lines to print."""
    count, names = content.get("nc"), content.get("names")
    if count is not None and not (isinstance(count, str) and count.isdecimal() and int(count) > 0):
        raise UserError(f"{path}: nc: {count} is not a number of classes")
    if names is None or names in EMPTY:
        if count is None:
            raise UserError(f"{path} has neither names nor nc: names: [bolt, nut]")
        if int(count) > 10_000:
            raise UserError(f"{path}: nc: {count} is more than 10,000 classes")
        made = [f"class_{number}" for number in range(int(count))]
        return made, [f"{path.name} has no names: its {count} classes are class_0, …"]
    if isinstance(names, dict):
        known = {int(key): name for key, name in names.items() if isinstance(key, str) and key.isdecimal()}
        if len(known) != len(names) or sorted(known) != list(range(len(known))):
            raise UserError(f"{path}: the keys of names are {', '.join(map(str, list(names)[:8]))}, not 0, 1, 2, …")
        names = [known[number] for number in range(len(known))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"{path}: names is not a list of names, or names by number, {{0: bolt, 1: nut}}")
    if count is not None and int(count) != len(names):
        raise UserError(f"{path}: nc is {count}, but there are {len(names)} names ({', '.join(names[:8])})")
    return distinct_names(names), []


def distinct_names(names: Sequence[str]) -> list[str]:
    """Names, with their number where two are equal."""
    times = Counter(names)
    return [f"{name} ({number})" if times[name] > 1 else name for number, name in enumerate(names)]


def keypoints_of(content: Mapping[str, Any], path: Path) -> int:
    """How many numbers an object's keypoints have: kpt_shape: [17, 3]."""
    shape = content.get("kpt_shape")
    if shape is None or shape in EMPTY:
        return 0
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(n, str) and n.isdecimal() for n in shape):
        raise UserError(f"{path}: kpt_shape: {shape} is not [number of keypoints, 2 or 3]")
    return int(shape[0]) * int(shape[1])


def from_data(path: Path) -> Description:
    """Read Darknet's obj.data: lines of `key = value`, with paths relative to where darknet was started."""
    content = {}
    for line in read_text(path).splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            content[key.strip()] = value.strip()
    folders = [path.parent, path.parent.parent]
    said = content.get("names", "")
    if not said:
        raise UserError(f"{path} has no line names = obj.names: it is not Darknet's obj.data")
    places = [folder / said.replace("\\", "/") for folder in folders] + [
        path.parent / Path(said.replace("\\", "/")).name
    ]
    source = next((place for place in places if place.is_file()), None)
    if source is None:
        raise UserError(f"{path}: names = {said}: no such file beside it")
    names, count = read_names(source), content.get("classes")
    if count is not None and count != str(len(names)):
        raise UserError(f"{path}: classes = {count}, but {source} has {len(names)} names")
    splits = {name: [content[name]] for group in SPLITS for name in group if content.get(name)}
    return Description(path, folders, names, splits)


def read_names(path: Path) -> list[str]:
    """Names of the classes, one a line."""
    names = [line.strip() for line in read_text(path).splitlines()]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names):
        raise UserError(f"{path} has {'an empty line' if names else 'no name'}: it lists the classes, one a line")
    return distinct_names(names)


def read_text(path: Path) -> str:
    """A text in UTF-8.

    Raises:
        UserError: for a file that cannot be read, or is another.
    """
    try:
        with open_file(path) as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"cannot read {path}: it has more than {LARGEST:,} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(path, error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8: {error}") from error
