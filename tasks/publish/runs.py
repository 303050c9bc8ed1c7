"""What the folders of runs say: scores, costs, command and seeds. The card's numbers are read here, none is typed."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from backbones.weight_files import published_file
from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.manifest import read_json
from tasks.common.errors import BEST, UserError
from tasks.common.spread import Spread
from tasks.common.task_info import module_of
from tasks.publish.private import without_path

ANY = (
    "seed",
    "resume",
    "log",
    "logger",
    "cpu",
    "pictures",
    "traceback",
    "check",
    "overwrite",
    "saving",
    "processes",
    "confirm",
    "mode",
)
NO_SCORES = ("images", "seconds")


class Run(NamedTuple):
    """A run's folder.

    Attributes:
        metrics: content of metrics.json.
        costs: content of network.json.
        config: content of config.yaml; {} if it is missing.
        training: content of training.json; {} if the run did not train.
        trained: configuration that the scored checkpoint was trained with, as it has it.
    """

    folder: Path
    metrics: dict[str, Any]
    costs: dict[str, Any]
    config: dict[str, Any]
    training: dict[str, Any]
    trained: Mapping[str, Any] = MappingProxyType({})

    @property
    def scores(self) -> dict[str, float | None]:
        """The scores by name, in order."""
        return {key: value for key, value in self.metrics.items() if key not in NO_SCORES}


def of_checkpoint(path: Path, checkpoint: Mapping[str, Any], metrics: Path | None) -> Run:
    """The run that scored a checkpoint.

    Args:
        path: of the checkpoint.
        checkpoint: its content.
        metrics: metrics.json that was typed.

    Raises:
        UserError: if there is no metrics.json, or it is another checkpoint's.
    """
    folder = path.parent.parent if metrics is None else metrics.parent
    again = f"score it (mode=evaluate checkpoint={path} hydra.run.dir=<folder>) and add metrics=<folder>/metrics.json"
    if metrics is None and path.name != BEST and path.with_name(BEST).is_file():
        raise UserError(f"{folder / 'metrics.json'} has the scores of best.ckpt, not of {path.name}: {again}")
    if not (folder / "metrics.json").is_file():
        raise UserError(f"{folder / 'metrics.json'}: no such file, from which the card's scores come: {again}")
    run = read_run(folder)._replace(trained=checkpoint["mobilevision"]["config"])
    if metrics is not None:
        scored = scored_by(run)
        if scored.resolve() != path.resolve() and not same_weights(read_ours(scored), checkpoint):
            raise UserError(f"{metrics} has the scores of {scored}, whose weights are not those of {path}: {again}")
    return run


def of_seed(folder: Path) -> Run:
    """A run of another seed, with the configuration of the checkpoint that it scored.

    Raises:
        UserError: if a file is missing, or is not what a run writes.
    """
    run = read_run(folder)
    return run._replace(trained=read_ours(scored_by(run))["mobilevision"]["config"])


def scored_by(run: Run) -> Path:
    """The checkpoint whose scores a run has: a training's best one, or that of mode=evaluate.

    Raises:
        UserError: if it is not there.
    """
    best, named = run.folder / "checkpoints" / BEST, run.config.get("checkpoint")
    if best.is_file():
        return best
    if not named:
        raise UserError(f"{run.folder} has no checkpoints/best.ckpt, and its config.yaml names no checkpoint=…: whose "
                        "scores metrics.json has is not known")  # fmt: skip
    path = published_file(Path(str(named)).expanduser())
    if not path.is_file():
        raise UserError(f"{run.folder / 'metrics.json'} has the scores of {named}, which is not there any more")
    return path


def same_weights(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two checkpoints have equal weights."""
    ours, theirs = one["state_dict"], other["state_dict"]
    return bool(
        ours.keys() == theirs.keys()
        and all(ours[name].shape == theirs[name].shape and bool((ours[name] == theirs[name]).all()) for name in ours)
    )


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises:
        UserError: if a file is missing, or is not what a run writes.
    """
    for name in ("metrics.json", "network.json"):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name}: no such file, which a finished run writes; the card's numbers come from it"
            )
    files = {name: read_json(folder / name) for name in ("metrics.json", "network.json")}
    training = read_json(folder / "training.json") if (folder / "training.json").is_file() else {}
    for name, content in {**files, "training.json": training}.items():
        if not isinstance(content, dict):
            raise UserError(f"{folder / name} is damaged: it is not a table of names and values")
    metrics = files["metrics.json"]
    for name, value in metrics.items():
        if not isinstance(value, int | float | None) or isinstance(value, bool):
            raise UserError(f"{folder / 'metrics.json'} is damaged: {name} is not a number or null")
    if not isinstance(metrics.get("images"), int):
        raise UserError(f"{folder / 'metrics.json'} is damaged: it lacks images, the number that was scored")
    return Run(folder, metrics, files["network.json"], read_yaml(folder / "config.yaml", dict), training)


def read_yaml(path: Path, kind: type) -> Any:
    """Content of a YAML file of this kind; an empty one if the file is missing.

    Raises:
        UserError: if it is another kind.
    """
    if not path.is_file():
        return kind()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is no YAML file: {str(error).splitlines()[0]}") from error
    if not isinstance(content, kind):
        raise UserError(f"{path} is damaged: it is no {kind.__name__}")
    return content


def command_of(folder: Path, task: str) -> str:
    """The command of a run, without this machine's folders; '' if it was not kept.

    Of a run that was resumed in another folder it is that of the run that was begun; in the same one it is lost.
    """
    seen: set[Path] = set()
    while (folder := folder.resolve()) not in seen and (folder / ".hydra" / "overrides.yaml").is_file():
        seen.add(folder)
        words = [str(word) for word in read_yaml(folder / ".hydra" / "overrides.yaml", list)]
        resumed = [word.partition("=")[2].strip("'\"") for word in words if word.startswith("resume=")]
        if not resumed:
            return " ".join(["python -m", module_of(task), *(shlex.quote(without_path(word)) for word in words)])
        folder = Path(resumed[-1]).expanduser().parent.parent
    return ""


def check_same(own: Run, others: Sequence[Run]) -> None:
    """Check that trainings differ in their seed alone, and were scored alike.

    Raises:
        UserError: if two have the same seed, or a setting or the names of the scores differ.
    """
    seeds = {own.trained.get("seed"): own.folder}
    ours = dict(settings_of(own.trained))
    for run in others:
        seed = run.trained.get("seed")
        if seed is None or seed in seeds:
            raise UserError(f"runs: {run.folder} has seed {seed}, as {seeds.get(seed, 'nothing')} has: not another run")
        seeds[seed] = run.folder
        theirs = dict(settings_of(run.trained))
        differ = next((key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)), None)
        if differ is not None:
            raise UserError(
                f"runs: {run.folder} is another training than {own.folder}: {differ}={theirs.get(differ)}, "
                f"not {ours.get(differ)}; only seeds may differ"
            )
        same_data = run.config.get("dataset") == own.config.get("dataset")
        if not same_data or run.scores.keys() != own.scores.keys() or run.metrics["images"] != own.metrics["images"]:
            raise UserError(f"runs: {run.folder} was scored by other images or metrics than {own.folder}")


def settings_of(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings of a run that decide its result, by dotted key."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in ANY or name == "data.workers":
            continue
        if isinstance(value, dict) and value:
            yield from settings_of(value, f"{name}.")
        else:
            yield name, value


def spreads(runs: Sequence[Run]) -> dict[str, Spread | None]:
    """Each score's spread over runs; None if a run has no value."""
    found = {}
    for name in runs[0].scores:
        values = [value for run in runs if (value := run.scores[name]) is not None]
        found[name] = Spread.of(values) if len(values) == len(runs) else None
    return found
