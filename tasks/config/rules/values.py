"""Every value of the configuration against its rule."""

import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.task_info import infos
from tasks.config.image_size import check_square
from tasks.config.rules import Rule, Rules, images, learning, networks, run, trainer
from tasks.config.rules.nodes import is_ours

LEAST_EPS = 1e-4  # with 1e-6 the loss of a small network exploded within 20 steps, with 1e-8 it was NaN


def where_present() -> Rules:
    """Rules for keys that not every configuration has."""
    rules = run.WHERE_PRESENT | trainer.RULES | learning.RULES | networks.RULES | images.RULES
    return rules | learning.of_each_task(infos())


def check_values(config: DictConfig) -> None:
    """Refuse what cannot be meant.

    Raises:
        UserError: for the first value outside its rule, with the rule.
    """
    if "metric" in config and config.metric not in run.METRICS:
        raise UserError(f"metric={config.metric} is not one of {', '.join(run.METRICS)}")
    for key, rule in run.RULES.items():
        check_value(config, key, rule)
    check_square(OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]
    for key, rule in where_present().items():
        for path in places_of(config, key):
            check_present(config, path, rule)
    if OmegaConf.select(config, "dataset._target_") == "tasks.data.streets.dataset.Streets":
        for key, rule in images.STREETS.items():
            check_value(config, key, rule)
    check_instead(config)
    check_splits(config)
    check_finite(config)
    check_half(config)


def check_stored(config: DictConfig, path: object) -> None:
    """Check each value of a file's configuration that has a rule; what a file of before lacks has none.

    Raises:
        UserError: for the first value outside its rule, with the file's name.
    """
    try:
        for key, rule in (run.RULES | where_present()).items():
            for place in places_of(config, key):
                check_present(config, place, rule)
        check_finite(config)
    except (UserError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from None


def check_finite(config: DictConfig) -> None:
    """Raises a UserError for the first number of a configuration that is infinite or none."""
    for key, value in numbers(OmegaConf.to_container(config, resolve=False)):
        if not abs(value) <= sys.float_info.max:  # of 10**400, math.isfinite says nothing
            raise UserError(f"{key}={value} is no finite number")


def numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a configuration, with their keys."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        yield from numbers(value, f"{key}.{name}".lstrip("."))
    if isinstance(node, int | float):
        yield key, node


def check_value(config: DictConfig, key: str, rule: Rule) -> None:
    """Raises a UserError for a value that does not hold to its rule."""
    holds, text = rule
    value = OmegaConf.select(config, key)
    if not holds(value):
        near = suggestion(value, run.MODES) if key == "mode" else ""
        raise UserError(f"{key}={value} is not {text}{near}")


def check_present(config: DictConfig, key: str, rule: Rule) -> None:
    """Raises a UserError for a value that is there, null or not, and does not hold to its rule."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if isinstance(node, DictConfig) and name in node and not rule[0](node[name]) and is_ours(config, key):
        raise UserError(f"{key}={node[name]} is not {rule[1]}")


def check_instead(config: DictConfig) -> None:
    """Raises a UserError for an argument of the trainer that another key stands for here."""
    for name, (harmless, instead) in trainer.INSTEAD.items():
        value = config.trainer.get(name)
        if name in config.trainer and not any(value == v and type(value) is type(v) for v in harmless):
            raise UserError(f"trainer.{name}={value} does not go with this command; instead: {instead}")


def check_half(config: DictConfig) -> None:
    """Raises a UserError for Adam with weights in float16, where its default eps is 0: the first step gives NaN."""
    adam = re.fullmatch(r"torch\.optim\.\w*Adam\w*", str(OmegaConf.select(config, "optimizer._target_")))
    if config.mode != "train" or adam is None or str(config.trainer.precision) != "16-true":
        return
    eps = config.optimizer.get("eps", 1e-8)
    if is_number(eps) and eps < LEAST_EPS:
        raise UserError(
            f"trainer.precision=16-true: optimizer.eps={eps:g} is too small for float16: "
            f"+optimizer.eps={LEAST_EPS:g}, or trainer.precision=16-mixed, bf16-mixed, bf16-true"
        )


def check_splits(config: DictConfig) -> None:
    """Raises a UserError for scores on the images that are trained on."""
    for path in places_of(config, "dataset.val_split"):
        val, train = (
            OmegaConf.select(config, path.replace("val_split", name)) for name in ("val_split", "train_split")
        )
        if val is not None and val == train:
            raise UserError(f"{path}={val} is what is trained on, too: dataset.train_split is another")


def places_of(config: DictConfig, key: str) -> Iterable[str]:
    """The paths of a key: that of each head of tasks.multitask, and of each data set of a mixture."""
    group = key.partition(".")[0]
    if "heads" in config and group in ("head", "task"):
        return [f"{name}.{key}" for name in infos()]
    if group == "dataset" and isinstance(config.get("datasets"), DictConfig):
        return [key, *(f"datasets.{name}.{key.partition('.')[2]}" for name in config.datasets)]
    return [key]


def suggestion(name: object, names: Iterable[str]) -> str:
    """'; did you mean …?' with the nearest names."""
    near = difflib.get_close_matches(str(name), list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
