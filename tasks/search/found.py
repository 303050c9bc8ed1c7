"""Turns a found network into an ordinary one: a table, a checkpoint, and a training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from backbones.inverted import Plan
from backbones.table import table_of
from backbones.table_file import write_table
from tasks.checkpoint.checkpoint import load_state, make_metadata, open_checkpoint, read_ours
from tasks.checkpoint.saving import save
from tasks.common.errors import BEST, LAST
from tasks.config.tree import Tree, resolved
from tasks.data.loading.splits import Splits
from tasks.engine import train as training
from tasks.engine.prepare import build_all, prepare
from tasks.engine.scoring import scored
from tasks.engine.settings import Run
from tasks.search.networks import Networks

OF_THE_SEARCH = ("search", "target", "latency", "budget")


def as_training(tree: Tree, checkpoint: Path | None) -> dict[str, Any]:
    """Convert a search's stored configuration to one of a training, from a checkpoint's weights or from scratch."""
    own = {key: value for key, value in tree.items() if key not in OF_THE_SEARCH}
    path = None if checkpoint is None else str(checkpoint)
    return own | {"mode": "train", "checkpoint": path, "weights": None, "budget": {}}


def write_network(
    networks: Networks,
    plan: Plan,
    state: dict[str, Any],
    origin: str,
    path: Path,
    holdout: Mapping[str, Any] | None,
) -> None:
    """Write a network as a table, <path>.yaml, and its weights as a checkpoint, <path>.ckpt.

    Args:
        holdout: the record of the images that it was not trained on.
    """
    file, task = path.with_suffix(".yaml"), networks.run.task
    write_table(
        file,
        table_of(plan, origin),
        f"python -m backbones {file.name}\n"
        f"python -m tasks.{task} backbone=table backbone.file={file.name} weights={path.name}.ckpt",
    )
    tree = as_training(networks.stored(plan, origin), None)
    learner = networks.outline(plan)
    metadata = make_metadata(task, tree, {name: entry.metadata() for name, entry in learner.each_task()})
    if holdout is not None:
        metadata["holdout"] = dict(holdout)
    save({"state_dict": state, "mobilevision": metadata}, path.with_suffix(".ckpt"))


class Trained(NamedTuple):
    """Results of a training.

    Attributes:
        score: the main score on the validation images.
        seconds: of the whole training.
        epoch_seconds: of the last epoch, without validation.
        scoring_seconds: of one validation.
    """

    score: float
    seconds: float
    epoch_seconds: float
    scoring_seconds: float


def train(run: Run, splits: Splits, folder: Path, score: str) -> Trained:
    """Run an ordinary training in a folder.

    Args:
        score: name of the main score.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tree = resolved(run.stored, run.output_dir)
    (folder / "config.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False), encoding="utf-8")
    training.train(run, prepare(run, splits), splits, folder)
    used = read(folder / "training.json")
    scored = read(folder / "metrics.json")
    return Trained(float(scored[score]), used["seconds"], used["last_epoch_seconds"], scored["seconds"])


def train_repeatedly(run: Run, splits: Splits, folder: Path, score: str, repeats: int) -> list[Trained]:
    """Train with the run's seed in a folder, and with the next seeds in its folders seed_1, seed_2, …"""
    first = train(run, splits, folder, score)
    seeds = range(run.seed + 1, run.seed + repeats)
    return [first, *(train(run.changed(seed=seed), splits, folder / f"seed_{seed}", score) for seed in seeds)]


def keep_trained(folder: Path) -> None:
    """Save the weights of a finished training as found.ckpt."""
    checkpoints = folder / "checkpoints"
    path = next(path for path in (checkpoints / BEST, checkpoints / LAST) if path.is_file())
    checkpoint = read_ours(path)
    save({key: checkpoint[key] for key in ("state_dict", "mobilevision")}, folder / "found.ckpt")


def seed_score(run: Run, splits: Splits, score: str) -> float:
    """Score the seed, which is the search's checkpoint, on the validation images."""
    path = str(run.source.checkpoint)
    learner, data, _ = build_all(run, splits)
    load_state(learner, open_checkpoint(path, run.task), path)
    return float(scored(run.trainer, learner, data)[score])


def read(path: Path) -> Any:
    """Read a JSON file of a run."""
    return json.loads(path.read_text(encoding="utf-8"))
