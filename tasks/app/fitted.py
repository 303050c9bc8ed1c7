"""`fitted.keys=[…]`: puts what suits the training boxes into a detector's configuration before anything is built."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.heads import head_configs
from tasks.config.heads_file import CONF
from tasks.config.overrides import typed_keys
from tasks.config.tree import Tree, put, select
from tasks.data.loading.splits import Splits
from tasks.engine.settings import HeadSettings, Run

DETECT = "tasks.detect.task.DetectTask"
OF_HEAD = ("head.maps", "head.extras", "head.anchors")
RATIO, JITTER = "data.augment.crop.ratio", 1.11  # of a training crop: the images', give or take a ninth
DEFAULT_LOSS = "tasks.detect.multibox.SoftmaxMultiBox"  # of conf/detect.yaml
SETS = ("experiment", "recipe", "scale")  # groups whose keys count as the recipe's, not as typed


def fitted(run: Run, splits: Splits, typed: Sequence[str], first: bool) -> Run:
    """The run with the values that suit its training boxes at the keys in fitted.keys, which it reports.

    Unchanged in other modes, when it is resumed, and without such keys.

    Args:
        typed: overrides on the command line; what they set stays.
        first: whether this process is the one that reports.

    Raises:
        UserError: if the task finds no boxes, or the backbone has no map to find them on.
    """
    asked: list[str] = list(select(run.stored, "fitted.keys") or ())
    loss: str | None = select(run.stored, "fitted.loss")
    if not run.trains or run.source.resume is not None or not (asked or loss):
        return run
    heads = {name: run.learner.heads[name] for name in head_configs(run.stored)}
    name = next((name for name, part in heads.items() if part.task.get("_target_") == DETECT), None)
    if name is None:
        raise UserError(f"fitted.keys=[{','.join(asked)}]: tasks.{run.task} finds no boxes here; fitted.keys=[]")
    prefix = f"{name}." if name else ""
    own = None if run.source.checkpoint is None else head_of(run.source.checkpoint, run.task, name)
    begun = select(own, "task.loss._target_") if own is not None else None  # its scores go with its loss
    if loss is not None and begun != DEFAULT_LOSS and not is_typed(f"{prefix}task.loss", typed, below=False):
        before, run = run, with_loss(run, f"{prefix}task.loss", loss, typed)
        if first and run is not before:
            report(f"fitted    {f'loss@{name}.task.loss' if name else 'loss'}={loss}")
    from tasks.data.loading.objects import boxes_once  # imports OpenCV

    packed = boxes_once(splits.train)
    if packed is None or not len(packed.taught):
        if first:
            report("fitted    nothing: this data set does not list its boxes")
        return run
    keys = [key for key in asked if not is_typed(placed(key, prefix), typed)]
    values = {key: select(own, key) for key in keys if own is not None and key in OF_HEAD}
    if first and values:
        report(f"fitted    {', '.join(values)}: as in {run.source.checkpoint}, whose weights go with them")
    chosen, line = choices(run, heads[name], splits, [key for key in keys if key not in values])
    if first and chosen:
        words = [f"{placed(key, prefix)}={short(value)}" for key, value in chosen.items() if key != "head.anchors"]
        report(f"fitted    {' '.join(words) or 'head.anchors'}")
        report(f"anchors   {line}")
    tree: dict[str, Any] = dict(run.stored)
    for key, value in (values | chosen).items():
        tree = put(tree, placed(key, prefix), value)
    return run.changed(**tree)


def choices(run: Run, part: HeadSettings, splits: Splits, keys: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Values for these keys, and a line on how many boxes the anchors reach.

    Raises:
        UserError: if the backbone has no map to find boxes on, or data.fit has no size.
    """
    from tasks.data.loading.objects import boxes_at_input, boxes_once
    from tasks.data.transforms.letterbox import Stretch
    from tasks.detect import fitted as boxes_fit
    from tasks.engine.build import detector_on_paper, user_errors
    from tasks.engine.instantiate import make

    if not keys:
        return {}, ""
    packed = boxes_once(splits.train)
    assert packed is not None  # fitted() has looked
    values: dict[str, Any] = {}
    if run.data.fit is None or "size" not in run.data.fit:
        raise UserError(
            "fitted.keys: data.fit has no size to which images are resized; image_size=[…] or fitted.keys=[]"
        )
    size = tuple(run.data.fit["size"])
    features, usual = detector_on_paper(run.learner, part, len(splits.classes["boxes"]))
    with user_errors():
        if "image_size" in keys:
            finest = min(boxes_fit.candidates(features) if "head.maps" in keys else usual.reductions)
            shares = boxes_at_input(packed, Stretch([1, 1]))
            most = int(run.stored["fitted"]["pixels"])
            size = boxes_fit.input_size(packed.sizes, shares[:, 2:] - shares[:, :2], finest, most)
            values["image_size"] = list(size)
        boxes = boxes_at_input(packed, make({**run.data.fit, "size": list(size)}, "data.fit"))
        threshold = float(select(part.task, "loss.threshold") or 0.5)
        before = boxes_fit.reached(boxes, usual.anchors.shapes, usual.reductions, size, threshold)
        across = (boxes[:, 2:] - boxes[:, :2]).prod(1) ** 0.5
        values |= zip_of(("head.maps", "head.extras"), boxes_fit.maps_for(features, across), keys)
        head: dict[str, Any] = {name: values.get(f"head.{name}", part.head[name]) for name in ("maps", "extras")}
        reductions = boxes_fit.reductions_of(features, head["maps"], head["extras"])
        line = f"as configured reach {before:.1%} of {len(boxes):,} training boxes with IoU {threshold:g}"
        if "head.anchors" in keys:
            shapes = boxes_fit.anchors_for(boxes, reductions, size, threshold)
            after = boxes_fit.reached(boxes, shapes, reductions, size, threshold)
            values["head.anchors"] = {"_target_": "heads.anchors.listed", "_partial_": True, "shapes": shapes}
            counts = " + ".join(str(len(level)) for level in shapes)
            strides = ", ".join(map(str, reductions))
            line = (
                f"{counts} shapes at stride {strides} by k-means reach {after:.1%} of {len(boxes):,} training boxes "
                f"with IoU {threshold:g}; the head's own shapes reach {before:.1%}"
            )
    if RATIO in keys and select(run.stored, RATIO) is not None:
        ratio = boxes_fit.ratio_of(packed.sizes)
        values[RATIO] = [round(ratio / JITTER, 3), round(ratio * JITTER, 3)]
    if "trainer.max_epochs" in keys:
        values["trainer.max_epochs"] = epochs_of(splits, run.data.repeat)
    return values, line


def epochs_of(splits: Splits, repeat: int) -> int:
    """The number of epochs, the same for every share of the images: those of a share return more often in each."""
    from tasks.detect.fitted import epochs_for

    return max(1, round(epochs_for(len(splits.train)) / repeat))


def zip_of(names: Sequence[str], values: Sequence[Any], keys: Iterable[str]) -> dict[str, Any]:
    """Those of several values that are asked for."""
    return {name: value for name, value in zip(names, values, strict=True) if name in keys}


def placed(key: str, prefix: str) -> str:
    """Where a key stands: one of the head is below its name in tasks.multitask."""
    return f"{prefix}{key}" if key in OF_HEAD else key


def is_typed(key: str, typed: Iterable[str], below: bool = True) -> bool:
    """Whether a key, one below it, or the group that holds it was typed."""
    for word in typed:
        group, _, package = word.partition("=")[0].lstrip("+~").partition("@")
        name = package or {"loss": "task.loss"}.get(group, group)
        if group not in SETS and (f"{key}.".startswith(f"{name}.") or (below and name.startswith(f"{key}."))):
            return True
    return False


def with_loss(run: Run, key: str, option: str, typed: Sequence[str]) -> Run:
    """The run with this option of the group loss in the place of the default one; matching and typed values stay."""
    before: Mapping[str, Any] = select(run.stored, key)
    if before["_target_"] != DEFAULT_LOSS:
        return run
    chosen: Any = OmegaConf.to_container(OmegaConf.load(CONF / "loss" / f"{option}.yaml"))
    words = typed_keys(typed)
    kept = {name: value for name, value in before.items() if name == "match" or f"{key}.{name}" in words}
    return run.changed(**put(run.stored, key, chosen | kept))


def head_of(path: str, task: str, name: str) -> Tree | None:
    """The configuration of a checkpoint's detector; None if it has none."""
    from tasks.checkpoint.checkpoint import open_checkpoint

    config: Mapping[str, Any] = open_checkpoint(path, task)["mobilevision"]["config"]
    part = config.get(name) if name else config
    return part if isinstance(part, Mapping) and select(part, "task._target_") == DETECT else None


def short(value: Any) -> str:
    """A value as it is typed, without spaces."""
    return str(value).replace(" ", "").replace("'", "")
