"""Checks the entries of model.json that define how boxes are decoded and selected."""

from collections.abc import Mapping
from typing import Any

from tasks.common.entries import is_list, is_moderate, is_one_of, is_whole, short


def problem(task: Mapping[str, Any], form: str) -> str:
    """What is wrong with how boxes are decoded and selected; '' if nothing."""
    threshold = task.get("threshold")
    if threshold is not None and not (is_moderate(threshold) and 0 <= threshold <= 1):
        return f"threshold {short(threshold)} is not a number from 0 to 1, or null"
    if form == "final":
        return ""
    select = task.get("select")
    if not isinstance(select, dict):
        return "select is not a table of names and values"
    for key in ("threshold", "overlap"):
        if not (is_moderate(select.get(key)) and 0 <= select[key] <= 1):
            return f"select.{key} {short(select.get(key))} is not a number from 0 to 1"
    for key in ("per_class", "detections"):
        if not is_whole(select.get(key), 1, 100_000):
            return f"select.{key} {short(select.get(key))} is not a whole number from 1 to 100,000"
    if form == "decoded":
        return ""
    if not is_one_of(task.get("score"), ("softmax", "sigmoid")):
        return f"score {short(task.get('score'))} is not one of softmax, sigmoid"
    holes, count = task.get("holes"), len(task["classes"])
    if not is_list(holes, None, lambda hole: is_whole(hole, 0, count - 1)):
        return f"holes {short(holes)} are not numbers of classes"
    if not is_list(task.get("weights"), 4, lambda weight: is_moderate(weight) and weight > 0):
        return f"weights {short(task.get('weights'))} are not four numbers above 0"
    if not (is_moderate(task.get("largest")) and 0 < task["largest"] < 80):
        return f"largest {short(task.get('largest'))} is not a number between 0 and 80"
    anchors = task.get("anchors")
    if not isinstance(anchors, dict) or not {"cells", "shapes"} <= anchors.keys():
        return "anchors lack cells or shapes"
    cells, shapes = anchors["cells"], anchors["shapes"]
    if not is_list(cells, None, lambda each: is_list(each, 2, lambda v: is_whole(v, 1))) or not cells:
        return f"anchors.cells {short(cells)} are not [rows, columns] of each map"
    if not is_list(shapes, len(cells), lambda each: is_list(each, None, is_shape) and bool(each)):
        return f"anchors.shapes {short(shapes)} are not [[width, height], …] for each of the {len(cells)} maps"
    return ""


def is_shape(value: object) -> bool:
    """Whether a value is the width and height of an anchor."""
    return is_list(value, 2, lambda side: is_moderate(side) and side > 0)
