"""Odd command lines: values that a key cannot have, and mistyped words."""

from functools import cache
from random import Random
from typing import Any

from omegaconf import DictConfig, ListConfig

from tests.fuzz.kit import Case, World
from tests.test_config import configuration

TASKS = ("segment", "detect", "classify", "multitask")
SKIPPED = ("hydra", "dataset", "checkpoint", "resume", "weights", "model", "input", "logger", "traceback", "latency",
           "search", "export", "benchmark")  # fmt: skip
NO_NUMBER = ("x", "[]", "{}", "nan", "-inf", "[1,2]", "{a:1}", "''", "true")
NO_SWITCH = ("x", "2", "[]", "nan", "''", "-1")
ANY = ("null", "nan", "-inf", "inf", "-1", "0", "1e99", "-1e99", "1000000000000000000000", "true", "x", "''", "é", "[]",
       "{}", "[[]]", "[nan]", "{a:{b:1}}", "../x", "'a b'", "'${seed}'", "0.5", "3")  # fmt: skip


@cache
def leaves(task: str) -> tuple[tuple[str, Any], ...]:
    """Every key of a task's configuration that holds a value, with that value."""
    found: list[tuple[str, Any]] = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, DictConfig):
            for key in node:
                raw = node._get_node(key)
                walk(
                    raw if isinstance(raw, DictConfig) else (raw._value() if raw is not None else None), f"{path}.{key}"
                )
        elif not isinstance(node, ListConfig):
            found.append((path.lstrip("."), node))

    walk(configuration(task=task), "")
    return tuple((key, value) for key, value in found if not key.startswith(SKIPPED))


def values(random: Random, world: World) -> Case:
    """A key with a value of another kind or range."""
    task = random.choice(("segment", "detect", "classify"))
    key, old = random.choice(leaves(task))
    bad = True
    if isinstance(old, bool):
        new = random.choice(NO_SWITCH)
    elif isinstance(old, int | float) and random.random() < 0.7:
        new = random.choice(NO_NUMBER)
    else:
        new, bad = random.choice(ANY), False
    if key.endswith("_target_"):
        new, bad = (
            random.choice(("os.getcwd", "tasks", "torch.nn.Nope", "tasks.app.cli.main", "builtins.print", "")),
            True,
        )
    return Case(task, (*world.tiny[task], f"{key}={new}"), f"{key}={new}", bad)


def command_lines(random: Random, world: World) -> Case:
    """A sound command line with a letter or a word too many, too few or elsewhere."""
    task = random.choice(("segment", "detect", "classify"))
    arguments = list(world.tiny[task])
    place = random.randrange(len(arguments))
    word = arguments[place]
    where = random.randrange(len(word))
    odd = random.choice("=+~@[]{},'\"$\\ é\n:/.-#%*")
    arguments[place] = random.choice(
        (word[:where] + odd + word[where:], word[:where] + word[where + 1 :], word[:where], word + word, odd + word,
         word.upper(), f"--{word}", f"+{word}", f"~{word}", f"{word}@x", word.replace("=", " "), "")
    )  # fmt: skip
    if random.random() < 0.2:
        arguments.append(random.choice(("epochs=5", "lr=0.1", "batch=8", "imgsz=320", "--epochs", "data=coco.yaml",
                                        "--cfg", "-x", "task=classify", "mode=val", "+x=1", "seed")))  # fmt: skip
    return Case(task, tuple(arguments), arguments[place][:60])


KINDS = {"values": values, "command lines": command_lines}
