"""Rules for the description of an exported file: every entry is checked before it is used."""

from collections.abc import Mapping
from typing import Any

from tasks.common.entries import is_list, is_moderate, is_one_of, is_whole, short, whole
from tasks.common.formats import FORMATS, LAYOUTS, OUTPUTS, PRECISIONS
from tasks.common.task_info import infos

OWN = "; plugins=[…] names the package of a task of your own"
SUFFIXES = {entry.suffix: runtime for runtime, entry in FORMATS.items()}
CHOICES = {"runtime": tuple(FORMATS), "precision": PRECISIONS, "outputs": OUTPUTS}
RULES = ("none", "stretch", "letterbox", "resize_centre_crop")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
KEYS = ("format", "task", "file", "runtime", "precision", "outputs", "input", "tasks", "sha256")
TABLES = ("input", "tasks", "sha256")


def problem_of(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a description, in a few words; '' if it is valid."""
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        return f"it lacks {', '.join(missing)}"
    for key in TABLES:
        if not isinstance(manifest[key], dict):
            return f"{key} is not a table of names and values"
    for key, choices in {**CHOICES, "task": (*infos(), "multitask")}.items():
        if not is_one_of(manifest[key], choices):
            return f"{key} {short(manifest[key])} is not one of {', '.join(choices)}" + OWN * (key == "task")
    return of_input(manifest["input"]) or of_layout(manifest) or of_files(manifest) or of_tasks(manifest)


def of_layout(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the layout of the input for this runtime, or ''."""
    layout, allowed = manifest["input"].get("layout", "NCHW"), FORMATS[manifest["runtime"]].layouts
    if layout in allowed:
        return ""
    return f"input.layout {layout} is not {allowed[0]}, the only one of {manifest['runtime']}"


def of_files(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the file names and hashes, or ''."""
    file, hashes = manifest["file"], manifest["sha256"]
    if not is_name(file):
        return f"file {short(file)} is no name of a file"
    if not any(file.endswith(suffix) and SUFFIXES[suffix] == manifest["runtime"] for suffix in SUFFIXES):
        return f"{file} is no file of runtime {manifest['runtime']}"
    if file not in hashes or not all(is_name(name) and isinstance(digest, str) for name, digest in hashes.items()):
        return f"sha256 must name {file}, and files beside it alone"
    return ""


def of_input(takes: Mapping[str, Any]) -> str:
    """What is wrong with the description of the input images, or ''."""
    lacking = [key for key in ("batch", "height", "width", "upright", "resize") if key not in takes]
    if lacking:
        return f"input lacks {', '.join(lacking)}"
    for key in ("batch", "height", "width"):
        if takes[key] is not None and not is_whole(takes[key], 1):
            return f"input.{key} {short(takes[key])} is not {whole(1)}, or null"
    if (takes["height"] is None) != (takes["width"] is None):
        return "input.height and input.width must both be numbers, or both null"
    if not isinstance(takes["upright"], bool):
        return f"input.upright {short(takes['upright'])} is not true or false"
    if not is_one_of(takes.get("layout", "NCHW"), LAYOUTS):
        return f"input.layout {short(takes['layout'])} is not one of {', '.join(LAYOUTS)}"
    for key, value in (("type", "uint8"), ("colours", "RGB")):
        if takes.get(key, value) != value:
            return f"input.{key} {short(takes[key])} is not {value}"
    white = takes.get("white")
    if white is not None and not (type(white) in (int, float) and 0 < white < 2**32):
        return f"input.white {short(white)} is not a number above 0, or null"
    for key in ("mean", "std"):
        if key in takes and not is_list(takes[key], 3, is_moderate):
            return f"input.{key} {short(takes[key])} is not three numbers"
    rule = takes["resize"]
    if not isinstance(rule, dict) or "rule" not in rule:
        return "input.resize has no rule"
    return of_resize(rule, takes["height"], takes["width"])


def of_resize(rule: Mapping[str, Any], height: int | None, width: int | None) -> str:
    """What is wrong with a resize rule, for a file that takes images of this height and width, or ''."""
    name = rule["rule"]
    if not is_one_of(name, RULES):
        return f"input.resize.rule {short(name)} is not one of {', '.join(RULES)}"
    if name in ("stretch", "letterbox"):
        for key in ("height", "width"):
            if not is_whole(rule.get(key), 1):
                return f"input.resize.{key} {short(rule.get(key))} is not {whole(1)}"
        if height is not None and (rule["height"], rule["width"]) != (height, width):
            return f"input.resize makes {rule['height']}×{rule['width']} pixels, and the file takes {height}×{width}"
    if name == "letterbox" and not is_whole(rule.get("fill"), 0, 255):
        return f"input.resize.fill {short(rule.get('fill'))} is not a whole number from 0 to 255"
    crops, interpolation = name == "resize_centre_crop", rule.get("interpolation")
    if (crops or interpolation is not None) and not is_one_of(interpolation, FILTERS):
        return f"input.resize.interpolation {short(interpolation)} is not one of {', '.join(FILTERS)}"
    if not is_whole(rule.get("pillow", 0), 0):
        return f"input.resize.pillow {short(rule['pillow'])} is not {whole(0)}"
    if not crops:
        return ""
    lengths, crop = rule.get("lengths"), rule.get("crop")
    if not isinstance(lengths, list) or len(lengths) > 2 or not all(is_whole(length, 1) for length in lengths):
        return f"input.resize.lengths {short(lengths)} is not a list of at most two whole numbers, 1 or more"
    if "crop" not in rule or (crop is not None and not is_whole(crop, 1)):
        return f"input.resize.crop {short(crop)} is not {whole(1)}, or null"
    if crop is None and len(lengths) < 2:
        return "input.resize.crop is null, and lengths do not say height and width"
    made = (crop, crop) if crop is not None else tuple(lengths)
    if height is not None and made != (height, width):
        return f"input.resize makes {made[0]}×{made[1]} pixels, and the file takes {height}×{width}"
    return ""


def of_tasks(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the descriptions of outputs and classes, or ''."""
    tasks, form = manifest["tasks"], manifest["outputs"]
    if not tasks:
        return "tasks is empty"
    names: list[str] = []
    for name, task in tasks.items():
        if name not in infos() or not isinstance(task, dict):
            return f"task {short(name)} is not one of {', '.join(infos())}{OWN}"
        info = infos()[name]
        roles, outputs = info.forms[form].outputs, task.get("outputs")
        if not isinstance(outputs, dict) or set(outputs) != set(roles):
            return f"tasks.{name}.outputs are not {', '.join(sorted(roles))}, as {form} outputs are"
        if not all(isinstance(output, str) and output for output in outputs.values()):
            return f"tasks.{name}.outputs {short(outputs)} are not names"
        names += outputs.values()
        classes = task.get("classes")
        if not isinstance(classes, list) or not classes:
            return f"tasks.{name}.classes is no list of classes"
        for number, entry in enumerate(classes):
            if not info.classes.in_model_json(entry):
                return f"tasks.{name}.classes[{number}] {short(entry)} is not {info.classes.text}"
        if problem := info.problem(task, form):
            return f"tasks.{name}.{problem}"
    if manifest["task"] != "multitask" and list(tasks) != [manifest["task"]]:
        return f"task is {manifest['task']}, and tasks are {short(', '.join(tasks))}"
    if len(set(names)) < len(names):
        return "two outputs have the same name"
    return ""


def is_name(value: object) -> bool:
    """Whether a value is the name of a file in the description's folder."""
    return (
        isinstance(value, str) and 0 < len(value) < 256 and value not in (".", "..") and not set(value) & set("/\\\0")
    )
