"""Which categories of instance files are classes, and in which order."""

from collections.abc import Mapping
from typing import Literal

from tasks.common.annotations import HOLE
from tasks.common.errors import UserError
from tasks.data.files.coco_json import Instances

Numbering = Literal["dense", "ids"]
HIGHEST = 9_999  # highest id for dataset.numbering=ids: every gap below it is a class to compute


def same_categories(train: Instances, val: Instances) -> None:
    """Raises a UserError for a validation category that is missing in the training file or has another name there."""
    known = {number: name.removesuffix(f" ({number})") for name, number in train.categories}  # see coco_lists.distinct
    for full_name, number in val.categories:
        name = full_name.removesuffix(f" ({number})")
        if number not in known:
            raise UserError(f"{val.path}: category {number} ({name}) is not listed in {train.path}")
        if name != known[number]:
            raise UserError(f"{val.path}: category {number} is {name}, but {known[number]} in {train.path}")


def numbered(instances: Mapping[str, Instances], numbering: Numbering, *, drop_empty: bool) -> list[tuple[str, int]]:
    """(name, id) of each class, in the order of their numbers.

    Args:
        instances: content of each split's file; the first one's categories are taken.
        numbering, drop_empty: see InstanceFiles.

    Raises:
        UserError: if all would be dropped, or an id cannot be a number.
    """
    first = next(iter(instances.values()))
    kept = used(instances) if drop_empty else first.categories
    if numbering == "dense":
        return kept
    names = {number: name for name, number in kept}
    for number in names:
        if not 1 <= number <= HIGHEST:
            raise UserError(
                f"{first.path}: category id {number} is not between 1 and {HIGHEST:,}: use dataset.numbering=dense"
            )
    return [(names.get(number, HOLE), number) for number in range(1, max(names) + 1)]


def used(instances: Mapping[str, Instances]) -> list[tuple[str, int]]:
    """(name, id) of the categories that have an annotation in any split.

    Raises:
        UserError: for none.
    """
    found = ids_in_use(instances)
    first = next(iter(instances.values()))
    kept = [category for category in first.categories if category[1] in found]
    if not kept:
        raise UserError(f"{first.path}: no category has an annotation: dataset.drop_empty=true leaves none")
    return kept


def ids_in_use(instances: Mapping[str, Instances]) -> set[int]:
    """Ids of the categories that have an annotation in any split."""
    return {content.categories[kind][1] for content in instances.values() for kind in set(content.kinds)}
