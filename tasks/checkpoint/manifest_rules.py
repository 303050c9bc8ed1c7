"""What a description of an exported file may say: every entry is looked at before anything is done by it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.common.errors import visible
from tasks.common.formats import FORMATS, OUTPUTS, PRECISIONS
from tasks.common.labels import is_number

LONGEST = 2**14  # pixels a side, boxes of an image, …: more is a slip
ROLES: dict[str, dict[str, set[str]]] = {  # of the outputs, by task and form
    "segment": {"raw": {"logits"}, "decoded": {"labels"}, "final": {"labels"}},
    "detect": {"raw": {"logits", "offsets"}, "decoded": {"boxes", "scores"}, "final": {"boxes", "scores", "labels"}},
    "classify": {"raw": {"logits"}, "decoded": {"probabilities"}, "final": {"probabilities"}},
}
SUFFIXES = {entry.suffix: runtime for runtime, entry in FORMATS.items()}
TASKS = (*ROLES, "multitask")
CHOICES = {"runtime": tuple(FORMATS), "precision": PRECISIONS, "outputs": OUTPUTS, "task": TASKS}
RULES = ("none", "stretch", "letterbox", "resize_centre_crop")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
KEYS = ("format", "task", "file", "runtime", "precision", "outputs", "input", "tasks", "sha256")
TABLES = ("input", "tasks", "sha256")


def problem_of(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a description, in a few words; nothing if it can be worked with."""
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        return f"it lacks {', '.join(missing)}"
    for key in TABLES:
        if not isinstance(manifest[key], dict):
            return f"{key} is not a table of names and values"
    for key, choices in CHOICES.items():
        if not is_one_of(manifest[key], choices):
            return f"{key} {told(manifest[key])} is not one of {', '.join(choices)}"
    return of_input(manifest["input"]) or of_files(manifest) or of_tasks(manifest)


def of_files(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the names of files and their hashes."""
    file, hashes = manifest["file"], manifest["sha256"]
    if not is_name(file):
        return f"file {told(file)} is no name of a file"
    if not any(file.endswith(suffix) and SUFFIXES[suffix] == manifest["runtime"] for suffix in SUFFIXES):
        return f"{file} is no file of runtime {manifest['runtime']}"
    if file not in hashes or not all(is_name(name) and isinstance(digest, str) for name, digest in hashes.items()):
        return f"sha256 must name {file}, and files beside it alone"
    return ""


def of_input(takes: Mapping[str, Any]) -> str:
    """What is wrong with the description of the images."""
    lacking = [key for key in ("batch", "height", "width", "upright", "resize") if key not in takes]
    if lacking:
        return f"input lacks {', '.join(lacking)}"
    for key in ("batch", "height", "width"):
        if takes[key] is not None and not is_whole(takes[key], 1):
            return f"input.{key} {told(takes[key])} is not {whole(1)}, or null"
    if (takes["height"] is None) != (takes["width"] is None):
        return "input.height and input.width must both be numbers, or both null"
    if not isinstance(takes["upright"], bool):
        return f"input.upright {told(takes['upright'])} is not true or false"
    for key, value in (("type", "uint8"), ("layout", "NCHW"), ("colours", "RGB")):
        if takes.get(key, value) != value:
            return f"input.{key} {told(takes[key])} is not {value}"
    white = takes.get("white")
    if white is not None and not (type(white) in (int, float) and 0 < white < 2**32):
        return f"input.white {told(white)} is not a number above 0, or null"
    for key in ("mean", "std"):
        if key in takes and not is_list(takes[key], 3, is_moderate):
            return f"input.{key} {told(takes[key])} is not three numbers"
    rule = takes["resize"]
    if not isinstance(rule, dict) or "rule" not in rule:
        return "input.resize has no rule"
    return of_resize(rule, takes["height"], takes["width"])


def of_resize(rule: Mapping[str, Any], height: int | None, width: int | None) -> str:
    """What is wrong with a rule of resizing, for a file that takes images of this height and width."""
    name = rule["rule"]
    if not is_one_of(name, RULES):
        return f"input.resize.rule {told(name)} is not one of {', '.join(RULES)}"
    if name in ("stretch", "letterbox"):
        for key in ("height", "width"):
            if not is_whole(rule.get(key), 1):
                return f"input.resize.{key} {told(rule.get(key))} is not {whole(1)}"
        if height is not None and (rule["height"], rule["width"]) != (height, width):
            return f"input.resize makes {rule['width']}×{rule['height']} pixels, and the file takes {width}×{height}"
    if name == "letterbox" and not is_whole(rule.get("fill"), 0, 255):
        return f"input.resize.fill {told(rule.get('fill'))} is not a whole number from 0 to 255"
    if name != "resize_centre_crop":
        return ""
    lengths, crop = rule.get("lengths"), rule.get("crop")
    if not isinstance(lengths, list) or len(lengths) > 2 or not all(is_whole(length, 1) for length in lengths):
        return f"input.resize.lengths {told(lengths)} is not a list of at most two whole numbers, 1 or more"
    if "crop" not in rule or (crop is not None and not is_whole(crop, 1)):
        return f"input.resize.crop {told(crop)} is not {whole(1)}, or null"
    if crop is None and len(lengths) < 2:
        return "input.resize.crop is null, and lengths do not say height and width"
    if not is_one_of(rule.get("interpolation"), FILTERS):
        return f"input.resize.interpolation {told(rule.get('interpolation'))} is not one of {', '.join(FILTERS)}"
    if not is_whole(rule.get("pillow", 0), 0):
        return f"input.resize.pillow {told(rule['pillow'])} is not {whole(0)}"
    made = (crop, crop) if crop is not None else tuple(lengths)
    if height is not None and made != (height, width):
        return f"input.resize makes {made[1]}×{made[0]} pixels, and the file takes {width}×{height}"
    return ""


def of_tasks(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the descriptions of outputs and classes."""
    tasks, form = manifest["tasks"], manifest["outputs"]
    if not tasks:
        return "tasks is empty"
    names: list[str] = []
    for name, task in tasks.items():
        if name not in ROLES or not isinstance(task, dict):
            return f"task {told(name)} is not one of {', '.join(ROLES)}"
        roles, outputs = ROLES[name][form], task.get("outputs")
        if not isinstance(outputs, dict) or set(outputs) != roles:
            return f"tasks.{name}.outputs are not {', '.join(sorted(roles))}, as {form} outputs are"
        if not all(isinstance(output, str) and output for output in outputs.values()):
            return f"tasks.{name}.outputs {told(outputs)} are not names"
        names += outputs.values()
        classes = task.get("classes")
        if not isinstance(classes, list) or not classes:
            return f"tasks.{name}.classes is no list of classes"
        for number, entry in enumerate(classes):
            if not is_class(name, entry):
                return f"tasks.{name}.classes[{number}] {told(entry)} is not {CLASSES[name]}"
        if name == "segment" and len(classes) > 255:
            return f"tasks.segment.classes are {len(classes)}; a label map holds 255 at most"
        if name == "detect" and (problem := of_boxes(task, form)):
            return f"tasks.detect.{problem}"
    if manifest["task"] != "multitask" and list(tasks) != [manifest["task"]]:
        return f"task is {manifest['task']}, and tasks are {told(', '.join(tasks))}"
    if len(set(names)) < len(names):
        return "two outputs have the same name"
    return ""


CLASSES = {
    "segment": "{name, id from 0 to 255, colour [red, green, blue]}",
    "detect": "{name, id}",
    "classify": "a name",
}


def is_class(task: str, entry: object) -> bool:
    """Whether an entry of a task's list of classes is one; a terminal would obey a name with control characters."""
    if task == "classify":
        return isinstance(entry, str) and entry.isprintable()
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].isprintable():
        return False
    if task == "detect":
        return is_whole(entry.get("id"), -(2**63), 2**63 - 1)
    return is_whole(entry.get("id"), 0, 255) and is_list(entry.get("colour"), 3, lambda v: is_whole(v, 0, 255))


def of_boxes(task: Mapping[str, Any], form: str) -> str:
    """What is wrong with how boxes are made and chosen."""
    threshold = task.get("threshold")
    if threshold is not None and not (is_moderate(threshold) and 0 <= threshold <= 1):
        return f"threshold {told(threshold)} is not a number from 0 to 1, or null"
    if form == "final":
        return ""
    select = task.get("select")
    if not isinstance(select, dict):
        return "select is not a table of names and values"
    for key in ("threshold", "overlap"):
        if not (is_moderate(select.get(key)) and 0 <= select[key] <= 1):
            return f"select.{key} {told(select.get(key))} is not a number from 0 to 1"
    for key in ("per_class", "detections"):
        if not is_whole(select.get(key), 1, 100_000):
            return f"select.{key} {told(select.get(key))} is not a whole number from 1 to 100,000"
    if form == "decoded":
        return ""
    if not is_one_of(task.get("score"), ("softmax", "sigmoid")):
        return f"score {told(task.get('score'))} is not one of softmax, sigmoid"
    holes, count = task.get("holes"), len(task["classes"])
    if not is_list(holes, None, lambda hole: is_whole(hole, 0, count - 1)):
        return f"holes {told(holes)} are not numbers of classes"
    if not is_list(task.get("weights"), 4, lambda weight: is_moderate(weight) and weight > 0):
        return f"weights {told(task.get('weights'))} are not four numbers above 0"
    if not (is_moderate(task.get("largest")) and 0 < task["largest"] < 80):
        return f"largest {told(task.get('largest'))} is not a number between 0 and 80"
    anchors = task.get("anchors")
    if not isinstance(anchors, dict) or not {"cells", "shapes"} <= anchors.keys():
        return "anchors lack cells or shapes"
    cells, shapes = anchors["cells"], anchors["shapes"]
    if not is_list(cells, None, lambda each: is_list(each, 2, lambda v: is_whole(v, 1))) or not cells:
        return f"anchors.cells {told(cells)} are not [rows, columns] of each map"
    if not is_list(shapes, len(cells), lambda each: is_list(each, None, is_shape) and bool(each)):
        return f"anchors.shapes {told(shapes)} are not [[width, height], …] for each of the {len(cells)} maps"
    return ""


def is_shape(value: object) -> bool:
    """Whether a value is the width and height of an anchor."""
    return is_list(value, 2, lambda side: is_moderate(side) and side > 0)


def is_whole(value: object, least: int, most: int = LONGEST) -> bool:
    return type(value) is int and least <= value <= most


def is_moderate(value: Any) -> bool:
    """Whether a value is a number of a size that occurs in a description."""
    return is_number(value) and abs(value) < 1e9


def is_list(value: object, length: int | None, holds: Any) -> bool:
    """Whether a value is a list, of this length if there is one, all of whose entries hold."""
    return isinstance(value, list) and length in (None, len(value)) and all(holds(entry) for entry in value)


def is_name(value: object) -> bool:
    """Whether a value names a file beside its description."""
    return (
        isinstance(value, str) and 0 < len(value) < 256 and value not in (".", "..") and not set(value) & set("/\\\0")
    )


def is_one_of(value: object, choices: Sequence[str]) -> bool:
    return isinstance(value, str) and value in choices


def whole(least: int) -> str:
    return f"a whole number from {least} to {LONGEST:,}"


def told(value: object) -> str:
    """A value in a few characters."""
    text = visible(" ".join((value if isinstance(value, str) else repr(value)).split()))
    return text if len(text) <= 60 else f"{text[:59]}…"
