"""Checks a configuration stored in a checkpoint or exported file: it may only build, open and resolve what conf/ does.

All our files are read through `read_ours` of tasks/checkpoint/checkpoint.py or `metadata_of` of
tasks/checkpoint/manifest.py, and both call this module. Refused are: a `_target_` that tasks/config/targets.py does not
list for that key, interpolations that conf/ does not have, addresses, keys that control Hydra, and anything too deep
or too large for a configuration.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.image_size import follows
from tasks.config.overrides import typed_keys
from tasks.config.rules.places import check_places
from tasks.config.rules.values import check_stored
from tasks.config.targets import INTERPOLATIONS, OWN, TRAINER, may_build, renamed, slot_of
from tasks.config.tree import DATA_ROOT, put, resolved, select

MAX_DEPTH, MAX_VALUES, MAX_LENGTH = 24, 20_000, 4_096  # levels, values, characters; ours: 8, hundreds, a path's length
LARGEST = 2**63  # whole number: what a tensor or a JSON file can hold
MAX_SHARED_VALUES = 64  # values below a key that interpolations repeat
HYDRA_KEYS = {"_partial_": (True, False), "_convert_": ("none", "partial", "object", "all")}
GENERATED_SIZES = ("train", "val", "height", "width")  # street scenes are generated if they are missing
MAX_GENERATED = 20_000
SHARED = ("image_size", "metric", "targets", "wants")  # keys that interpolations refer to
ADDRESS = re.compile(r"://|(^|::)\s*(data|file|ftp|gs|hf|hf-hub|hf_hub|https?|local-dir|memory|s3|ssh):", re.I)
Place = tuple[str, ...]

TYPED: ContextVar[Sequence[str]] = ContextVar("overrides on the command line", default=())


@contextmanager
def command_line(typed: Iterable[str]) -> Iterator[None]:
    """Set the overrides of a command while it runs: `checked_config` does not take their keys from a file."""
    token = TYPED.set(tuple(typed))
    try:
        yield
    finally:
        TYPED.reset(token)


def checked_config(config: Any, path: str | Path) -> dict[str, Any]:
    """The configuration of a file; it can only run, open or resolve what conf/ also does.

    Keys that the user typed on the command line are not taken from the file: a refused value becomes null if its key
    was typed, so that your own run with your own class resumes if you type the override again.

    Args:
        path: of the file, for messages.

    Raises:
        UserError: for the first refused entry, in one line.
    """
    if not isinstance(config, dict):
        raise UserError(f"{path} is damaged: its configuration is {kind(config)}, not keys and values")
    check_extent(config, path)
    config = renamed(config)
    typed, taken = typed_places(), list[Place]()

    def is_left(place: Place) -> bool:
        return not any(place[: len(name)] == name for name in taken)

    while (refused := next((found for found in problems(config) if is_left(found[0])), None)) is not None:
        place, problem = refused
        over = next((name for name in typed if place[: len(name)] == name), None)
        if over is None:
            raise UserError(
                f"{path} was refused: its configuration has {problem}. A file's configuration builds only what conf/ "
                f"does; what you trust can be typed: {'.'.join(place)}=…{or_plugged(place)}"
            )
        config = without(config, over)
        taken.append(over)
    result: dict[str, Any] = config
    return result


def or_plugged(place: Place) -> str:
    """A further hint for the user's own classes, or ''."""
    named = place[-1] == "_target_" and slot_of(place) in OWN
    return ", or plugins=[…] for a package of your own" if named else ""


def rebuilt(metadata: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """The resolved configuration from which a checkpoint's network is rebuilt; building it downloads nothing.

    Args:
        path: of the checkpoint, for messages.

    Raises:
        UserError: for a class at the wrong key, and a value outside its rule.
    """
    try:
        tree = resolved({**metadata["config"], "confirm": False})  # a file cannot confirm its own size
        check_places(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    check_stored(tree, path)
    return put(tree, "backbone.pretrained", False) if select(tree, "backbone.pretrained") else tree


def check_extent(config: Any, path: str | Path) -> None:
    """Raise UserError if a configuration has implausibly many levels, values or characters."""
    count, stack = 0, [(config, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            problem = f"{MAX_DEPTH} levels"
        elif isinstance(node, str) and len(node) > MAX_LENGTH:
            problem = f"{MAX_LENGTH:,} characters in a value"
        elif isinstance(node, int) and abs(node) >= LARGEST:
            problem = "64 bits in a whole number"
        else:
            problem = f"{MAX_VALUES:,} values" if count > MAX_VALUES else ""
        if problem:
            raise UserError(f"{path} was refused: its configuration has more than {problem}")
        if isinstance(node, dict):
            stack += [(item, depth + 1) for pair in node.items() for item in pair]
        elif isinstance(node, list | tuple):
            stack += [(item, depth + 1) for item in node]


def problems(config: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield each refused place of a configuration with a short reason."""
    for place, value in values(config):
        if problem := problem_of(place, value):
            yield place, problem
        elif isinstance(value, dict) and (wrong := wrong_argument(place, value)):
            key, problem = wrong
            yield (*place, key), problem
    for key in SHARED:
        if sum(1 for _ in values(config.get(key), (key,))) > MAX_SHARED_VALUES:
            yield (key,), f"more than {MAX_SHARED_VALUES} values in {key}"


def problem_of(place: Place, value: Any) -> str:
    """What is wrong with a value; '' if it is allowed."""
    name = ".".join(place)
    slot, key = slot_of(place), place[-1] if place else ""
    if not isinstance(value, dict | list | tuple | str | int | float | bool | None):
        return f"{kind(value)} at {name}"
    if key == "_target_":
        known = value is None or (isinstance(value, str) and may_build(slot, value))
        where = name[: -len(key)].rstrip(".")
        return "" if known else f"{where}: {shown(value)}, which is not one of those that may be built"
    if re.fullmatch(r"_\w*_", key) and (key not in HYDRA_KEYS or value not in HYDRA_KEYS[key]):
        return f"{name}={shown(value)}"
    if isinstance(value, dict):
        strange = next((key for key in value if type(key) not in (str, int, bool, float)), None)
        return f"{kind(strange)} as a key of {name}" if strange is not None else ""
    if isinstance(value, list | tuple):
        return ""
    if isinstance(value, str) and "${" in value and not may_be_resolved(place, value):
        return f"{name}={shown(value)}, which would be resolved"
    if slot == "dataset" and key in GENERATED_SIZES and isinstance(value, int | float) and value > MAX_GENERATED:
        return f"{name}={shown(value)}, more than {MAX_GENERATED:,}"
    if isinstance(value, str) and ADDRESS.search(value):
        return f"{name}={shown(value)}, an address"
    return ""


def wrong_argument(place: Place, node: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The first refused argument of a node whose class takes arguments that may name files, and the reason."""
    target, name = node.get("_target_"), ".".join(place)
    if slot_of(place) == "trainer":
        other = next((str(key) for key in node if key not in TRAINER and key != "_target_"), None)
        return None if other is None else (other, f"{name}.{other}, which is not one of a checkpoint's settings")
    table, file = node.get("table"), node.get("file")
    if target == "backbones.table.TableBackbone" and not isinstance(table, dict) and (table, file) != (None, None):
        return "file" if table is None else "table", f"{name}.file={shown(file)} without its table"
    if target == "backbones.timm_features.TimmFeatures" and not re.fullmatch(r"[\w.]+", str(node.get("name"))):
        return "name", f"{name}.name={shown(node.get('name'))}, which is no name of timm's"
    return None


def may_be_resolved(place: Place, text: str) -> bool:
    """Whether conf/ has this interpolation at this place."""
    first = place[1] if len(place) > 1 and place[0] in infos() else place[0]
    if text == "${datasets}":
        return place == ("dataset", "sets")
    if place == ("trainer", "check_val_every_n_epoch"):
        return text == "${trainer.max_epochs}"
    if slot_of(place) == "dataset" and text.startswith(DATA_ROOT):
        return "${" not in text.removeprefix(DATA_ROOT)
    return text in INTERPOLATIONS.get(first, ()) or (first == "data" and follows(text))


def values(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield everything in nested dicts and lists with its place, parents first; list elements are named by index."""
    yield place, node
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, value in items:
        yield from values(value, (*place, str(key)))


def without(config: dict[str, Any], place: Place) -> dict[str, Any]:
    """A configuration with null at a place."""
    name, *rest = place
    key = next(key for key in config if str(key) == name)
    below = config[key]
    return {**config, key: without(below, tuple(rest)) if rest and isinstance(below, dict) else None}


def typed_places() -> list[Place]:
    """The places of the configuration that this command line sets."""
    return [tuple(key.split(".")) for key in typed_keys(TYPED.get())]


def shown(value: Any) -> str:
    """A value, shortened for messages."""
    return kind(value) if isinstance(value, dict | list | tuple) else repr(value)[:80]


def kind(value: Any) -> str:
    """A value's type, for messages."""
    return f"a {type(value).__name__}"
