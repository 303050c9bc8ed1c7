"""Checks every value of the configuration against its rule."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.task_info import infos
from tasks.config.rules import Rule, Rules, images, learning, meant, networks, run, trainer
from tasks.config.rules.nodes import is_ours
from tasks.config.tree import Tree, has, need, select

LEAST_EPS = 1e-4  # with 1e-6 the loss of a small network exploded within 20 steps, with 1e-8 it was NaN


def where_present() -> Rules:
    """Rules for keys that not every configuration has."""
    rules = run.DATA_WHERE_PRESENT | run.RUN_WHERE_PRESENT | trainer.RULES | networks.RULES | images.RULES
    return rules | learning.RULES | learning.of_each_task(infos())


def check_values(tree: Tree, required: Rules, where_present: Rules) -> None:
    """Refuse invalid values.

    Args:
        tree: a whole configuration, resolved.
        required: rules for keys that must be present.
        where_present: rules for keys that not every configuration has.

    Raises:
        UserError: for the first value outside its rule, with the rule.
    """
    for key, rule in required.items():
        check_value(tree, key, rule)
    for key, rule in where_present.items():
        for path in places_of(tree, key):
            check_present(tree, path, rule)


def check_stored(tree: Tree, path: object) -> None:
    """Check each value of a file's configuration that has a rule; keys that an older file does not have are skipped.

    Raises:
        UserError: for the first value outside its rule, with the file's name.
    """
    try:
        check_values(tree, {}, run.RULES | where_present())
        check_finite(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def check_finite(tree: Tree) -> None:
    """Raise UserError for the first number of a configuration that is infinite or NaN."""
    for key, value in numbers(tree):
        if not abs(value) <= sys.float_info.max:  # math.isfinite fails for 10**400
            raise UserError(f"{key}={value} is not finite")


def numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers of a configuration with their keys."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        yield from numbers(value, f"{key}.{name}".lstrip("."))
    if isinstance(node, int | float):
        yield key, node


def check_value(tree: Tree, key: str, rule: Rule) -> None:
    """Raise UserError if a value is missing or violates its rule."""
    holds, text = rule
    value = need(tree, key)
    if not holds(value):
        raise UserError(f"{key}={value} is not {text}{meant(value, rule)}")


def check_present(tree: Tree, key: str, rule: Rule) -> None:
    """Raise UserError if a value is present, null or not, and violates its rule; values of foreign classes pass."""
    holds, text = rule
    if has(tree, key) and not holds(value := select(tree, key)) and is_ours(tree, key):
        raise UserError(f"{key}={value} is not {text}{meant(value, rule)}")


def check_instead(tree: Tree) -> None:
    """Raise UserError for an argument of the trainer that is replaced by another key here."""
    for name, (harmless, instead) in trainer.INSTEAD.items():
        value = tree["trainer"].get(name)
        if name in tree["trainer"] and not any(value == v and type(value) is type(v) for v in harmless):
            raise UserError(f"trainer.{name}={value} does not go with this command; instead: {instead}")


def check_half(tree: Tree) -> None:
    """Raise UserError for Adam with float16 weights and a tiny eps: the default becomes 0, the first step gives NaN."""
    adam = re.fullmatch(r"torch\.optim\.\w*Adam\w*", str(select(tree, "optimizer._target_")))
    if tree["mode"] != "train" or adam is None or str(tree["trainer"]["precision"]) != "16-true":
        return
    eps = tree["optimizer"].get("eps", 1e-8)
    if is_number(eps) and eps < LEAST_EPS:
        raise UserError(
            f"trainer.precision=16-true: optimizer.eps={eps:g} is too small for float16: "
            f"+optimizer.eps={LEAST_EPS:g}, or trainer.precision=16-mixed, bf16-mixed, bf16-true"
        )


def check_splits(tree: Tree) -> None:
    """Raise UserError if validation uses the training images."""
    for path in places_of(tree, "dataset.val_split"):
        val, train = (select(tree, path.replace("val_split", name)) for name in ("val_split", "train_split"))
        if val is not None and val == train:
            raise UserError(f"{path}={val} is what is trained on, too: dataset.train_split is another")


def places_of(tree: Tree, key: str) -> Iterable[str]:
    """All paths of a key: for tasks.multitask one per head, for a mixture one per data set."""
    group = key.partition(".")[0]
    if "heads" in tree and group in ("head", "task"):
        return [f"{name}.{key}" for name in infos()]
    if group == "dataset" and isinstance(tree.get("datasets"), Mapping):
        return [key, *(f"datasets.{name}.{key.partition('.')[2]}" for name in tree["datasets"])]
    return [key]
