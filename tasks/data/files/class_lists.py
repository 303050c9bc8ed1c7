"""Lists of classes with the values or colours that stand for them in label files."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tasks.common.errors import UserError
from tasks.common.palette import Colour
from tasks.data.files.label_values import MOST

RANGES = re.compile(r"\d+(-\d+)?(,\s*\d+(-\d+)?)*")
COLOUR_LINE = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*)")  # r g b name: CamVid's label_colors.txt
CVAT_LINE = re.compile(r"([^:#][^:]*):(\d+),(\d+),(\d+):.*")  # labelmap.txt
FORMS = (
    "{sky: 0, road: 3}, {sky: [0, 7]} for several values, {road: [128,64,128]} for colours, a file such as "
    "class_dict.csv, palette, or found"
)


class ListedClass(NamedTuple):
    """A class, and the values or the colours of its pixels in label files."""

    name: str
    values: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    drawn: Colour | None = None  # colour in pictures, if its files have values


def typed(classes: Any) -> Any:
    """Classes as they were typed: a mapping or a list in quotes is one, since Hydra's command line has no names with
    accents or other letters than a to z in braces.

    Raises:
        UserError: for a text that begins like one and is none.
    """
    if not isinstance(classes, str) or not classes.lstrip().startswith(("{", "[")):
        return classes
    try:
        return yaml.safe_load(classes)
    except yaml.YAMLError as error:
        raise UserError(f"dataset.classes={classes} is none of {FORMS}") from error


def listed(classes: Any) -> list[ListedClass]:
    """Classes from `{name: value, values, colour or colours}`, `{value: name}` or `[name, …]`, which count from 0.

    Raises:
        UserError: for anything else, a value or name listed twice, or values and colours together.
    """
    if isinstance(classes, Mapping) and classes:
        if all(is_number(key) and isinstance(name, str) and not is_number(name) for key, name in classes.items()):
            return checked([ListedClass(name, (int(key),)) for key, name in classes.items()])
        return checked(of_mapping({str(name): entry for name, entry in classes.items()}))
    if isinstance(classes, Sequence) and not isinstance(classes, str) and classes:
        return checked([ListedClass(str(name), (value,)) for value, name in enumerate(classes)])
    raise UserError(f"dataset.classes={classes} is none of {FORMS}")


def of_mapping(classes: Mapping[str, Any]) -> list[ListedClass]:
    """Classes from values or colours by name; a list of three numbers is a colour if all entries are."""
    coloured = all(is_colour(entry) or are_colours(entry) for entry in classes.values())
    found = []
    for name, entry in classes.items():
        if coloured:
            colours = [entry] if is_colour(entry) else entry
            found.append(ListedClass(name, colours=tuple(as_colour(colour) for colour in colours)))
        else:
            found.append(ListedClass(name, values_in(entry, f"dataset.classes: {name}", classes)))
    return found


def values_in(entry: Any, where: str, classes: Mapping[str, Any] | None = None) -> tuple[int, ...]:
    """Values from a number, a list of numbers, or text like "1-3,7"."""
    if is_whole(entry):
        values = [int(entry)]
    elif isinstance(entry, str) and RANGES.fullmatch(entry.strip()):
        ends = [part.split("-") for part in entry.replace(" ", "").split(",")]
        values = [value for end in ends for value in range(int(end[0]), min(int(end[-1]), MOST + 1) + 1)]
    elif isinstance(entry, list | tuple) and entry and all(map(is_whole, entry)):
        values = list(entry)
    elif are_colours(entry) and classes is not None:
        raise UserError(f"{where} has colours, and others have values: label files are read as one or the other")
    else:
        raise UserError(f"{where}={entry} is no value, list of values, colour or list of colours ({FORMS})")
    if wrong := [value for value in values if not 0 <= value <= MOST]:
        raise UserError(f"{where}={entry}: {wrong[0]} is no value of a label file (0 to {MOST})")
    return tuple(dict.fromkeys(values))


def read_list(path: Path) -> list[ListedClass]:
    """Classes from a file: a table with the columns name, r, g, b (class_dict.csv) or Pixel Value, Class (Roboflow's
    _classes.csv), ADE20K's objectInfo150.txt, lines of `r g b name` or of CVAT's labelmap.txt, or a name on each line.

    Raises:
        UserError: for a file that cannot be read, or has none of these forms.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"dataset.classes: cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    lines = [line for line in lines if not line.startswith("#")]
    if not lines:
        raise UserError(f"dataset.classes: {path} is empty")
    try:
        found = of_table(lines) or of_lines(lines)
    except ValueError as error:
        raise UserError(f"dataset.classes: {path}: {error}") from error
    if not found:
        raise UserError(
            f"dataset.classes: {path} begins with '{lines[0][:60]}': known are the columns name,r,g,b or Pixel Value,"
            "Class, and lines of r g b name or of one name"
        )
    return checked(found, str(path))


def of_table(lines: Sequence[str]) -> list[ListedClass]:
    """Classes from a table with a header; none if there is no known one."""
    mark = next((mark for mark in "\t;," if mark in lines[0]), ",")
    header, *rows = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    columns = {name.strip().lower(): place for place, name in enumerate(header)}

    def column(*names: str) -> int | None:
        return next((columns[name] for name in names if name in columns), None)

    name = column("name", "class", "class_name", "label")
    red, green, blue = column("r", "red"), column("g", "green"), column("b", "blue")
    value = column("pixel value", "idx", "id", "value")
    try:
        if name is not None and red is not None and green is not None and blue is not None:
            return [
                ListedClass(row[name].strip(), colours=(as_colour([int(row[k]) for k in (red, green, blue)]),))
                for row in rows
            ]
        if name is not None and value is not None:
            return with_short_names([ListedClass(row[name].strip(), (int(row[value]),)) for row in rows])
    except (IndexError, ValueError) as error:
        raise ValueError(f"a row is not like its header ({', '.join(header)}): {error}") from error
    return []


def with_short_names(classes: list[ListedClass]) -> list[ListedClass]:
    """The first of several names of each class ("building, edifice"), if they still differ."""
    short = [one.name.split(",")[0].strip() for one in classes]
    if len({*short}) < len(short):
        return classes
    return [one._replace(name=name) for one, name in zip(classes, short, strict=True)]


def of_lines(lines: Sequence[str]) -> list[ListedClass]:
    """Classes from lines without a header; a line of a name alone has the value of its place."""
    for pattern, name, first in ((COLOUR_LINE, 4, 1), (CVAT_LINE, 1, 2)):
        matches = [pattern.fullmatch(line) for line in lines]
        if all(matches):
            return [
                ListedClass(match[name].strip(), colours=(as_colour([int(match[first + k]) for k in range(3)]),))
                for match in matches
                if match
            ]
    if any(mark in line for line in lines for mark in ",;:\t"):
        return []
    return [ListedClass(line, (value,)) for value, line in enumerate(lines)]


def checked(classes: list[ListedClass], source: str = "dataset.classes") -> list[ListedClass]:
    """The classes, if names and values differ.

    Raises:
        UserError: for one that is listed twice.
    """
    for what, things in (
        ("name", [one.name for one in classes]),
        ("value", [value for one in classes for value in one.values]),
        ("colour", [colour for one in classes for colour in one.colours]),
    ):
        if twice := [thing for thing, count in Counter(things).items() if count > 1]:
            shown = [*twice[0]] if isinstance(twice[0], tuple) else twice[0]
            raise UserError(f"{source} lists the {what} {shown} twice")
    if len(classes) > 255:
        raise UserError(f"{source} lists {len(classes)} classes; a label map holds 255 at most")
    if unnamed := [one for one in classes if not one.name]:
        raise UserError(f"{source} has a class without a name: {unnamed[0].values or unnamed[0].colours}")
    return classes


def ignored(ignore: Any, coloured: bool) -> tuple[list[int], list[Colour]]:
    """Values and colours that are void, from a value, a colour or a list of them.

    Raises:
        UserError: for values if classes are colours, or the other way round.
    """
    entries: Iterable[Any] = [ignore] if is_whole(ignore) else ignore if isinstance(ignore, list | tuple) else [ignore]
    if coloured and is_colour(ignore):
        entries = [ignore]
    entries = list(entries)
    if coloured:
        if wrong := [entry for entry in entries if not is_colour(entry)]:
            raise UserError(
                f"dataset.ignore={ignore}: {wrong[0]} is no colour like [0,0,0], as those of dataset.classes"
            )
        return [], [as_colour(entry) for entry in entries]
    return [value for entry in entries for value in values_in(entry, "dataset.ignore")], []


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a key of a mapping is a whole number, typed as one or as text."""
    return is_whole(value) or (isinstance(value, str) and value.isdecimal())


def is_colour(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(is_whole(part) and 0 <= part <= 255 for part in value)
    )


def are_colours(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(is_colour, value))


def as_colour(value: Sequence[int]) -> Colour:
    """A colour from three numbers.

    Raises:
        ValueError: for anything else.
    """
    if not is_colour(value):
        raise ValueError(f"{[*value]} is no colour of red, green and blue from 0 to 255")
    red, green, blue = value
    return red, green, blue
