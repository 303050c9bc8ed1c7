"""What an exported file is compared with: the checkpoint's network, and what model.json must say of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.checkpoint.manifest import plain_class, sha256
from tasks.checkpoint.unlike import Unlike, unlike
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.decoders import DECODERS
from tasks.deploy.describe import meaning
from tasks.deploy.parity import Difference
from tasks.deploy.runners.runner import Runner
from tasks.engine.build import build
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.weights import classes_of, load_for_inference, sources_of, with_checkpoint

PROVED = ("input", "tasks")  # of model.json; what else decides, such as the form of the outputs, the results prove


class Reference(NamedTuple):
    """The checkpoint's side of the parity check.

    Attributes:
        learner: its network.
        fit: resizes the images; None if they are used unchanged.
        upright, white: how images are read.
        card: what the checkpoint says of each task, by name; {} for weights from elsewhere.
    """

    learner: Learner
    fit: Any
    upright: bool
    white: float | None
    card: Mapping[str, Mapping[str, Any]]

    def rows(
        self, manifest: Mapping[str, Any], runner: Runner, size: tuple[int, int], folder: Path
    ) -> list[Difference]:
        """Whether model.json and the decoders in a file's folder are the checkpoint's.

        Args:
            runner: the file, which has a shape and a layout.
            size: (height, width) at which the network is used if the file takes any.
        """
        shape, layout, form = runner.shape, runner.layout, str(manifest["outputs"])
        if shape[2] is not None and shape[3] is not None:
            size = shape[2], shape[3]
        expected = meaning(self.learner, shape, layout, size, self.fit, form, self.upright, self.white)
        return [*of_description(manifest, expected, self.card), *of_decoders(folder)]


def reference_of(run: Run, typed: Sequence[str], manifest: Mapping[str, Any], upright: bool | None) -> Reference:
    """The reference from a checkpoint alone: neither model.json nor card.json has a say.

    Args:
        run: the command's settings, without those of card.json.
        typed: overrides on the command line, which an export that had them is compared with.
        manifest: model.json.
        upright: what card.json says, for a checkpoint that does not say: trainings store it.

    Raises:
        UserError: for a checkpoint that does not fit.
    """
    own, _ = with_checkpoint(run.changed(model=None), typed)
    card = open_checkpoint(str(own.source.checkpoint), own.task)["mobilevision"]
    learner = build(own.learner, classes_of(card), sources_of(card))
    load_for_inference(own, learner)
    learner.rounding = None
    for _, task in learner.each_task():
        task.prepare_export()
    fit, takes = make(own.data.fit, "data.fit"), manifest["input"]
    if fit is None and takes["height"] is not None and takes["resize"]["rule"] == "stretch":  # export.size=[…]
        fit = Stretch((takes["height"], takes["width"]))
    is_upright = own.upright if own.upright is not None else upright
    return Reference(learner.eval(), fit, bool(is_upright), own.data.white, card["tasks"])


def of_description(
    manifest: Mapping[str, Any], expected: Mapping[str, Any], card: Mapping[str, Mapping[str, Any]]
) -> list[Difference]:
    """A row for each field of model.json that is not the checkpoint's, or one row for all.

    Args:
        expected: see meaning().
        card: see Reference.
    """
    expected = json.loads(json.dumps(expected))
    wrong = [*unlike({key: manifest[key] for key in PROVED}, expected), *unlike_card(manifest["tasks"], card)]
    if not wrong:
        count = sum(len(entry) for entry in (expected["input"], *expected["tasks"].values()))
        return [Difference(f"model.json: {count} entries", 1.0, 1.0, at_least=True)]
    rows = {each.field: each for each in reversed(wrong)}
    return [
        Difference(f"model.json's {each.field}", 1.0, 0.0, at_least=False, note=each.told("the checkpoint"))
        for each in reversed(rows.values())
    ]


def unlike_card(tasks: Mapping[str, Any], card: Mapping[str, Mapping[str, Any]]) -> list[Unlike]:
    """What a checkpoint itself says otherwise: classes, thresholds, temperatures."""
    found: list[Unlike] = []
    for name, entry in tasks.items():
        own = card.get(name, {})
        if own:
            classes = [plain_class(each) for each in entry["classes"]]
            found += unlike(classes, json.loads(json.dumps(own["classes"])), f"tasks.{name}.classes")
        both = (entry.keys() & own.keys()) - {"classes"}
        found += unlike(
            {key: entry[key] for key in sorted(both)}, {key: own[key] for key in sorted(both)}, f"tasks.{name}"
        )
    return found


def of_decoders(folder: Path) -> list[Difference]:
    """Whether the decoders in this folder, as far as they are there, are those of this version."""
    rows = []
    for name, source in DECODERS.items():
        if not (folder / name).is_file():
            continue
        same = sha256(folder / name) == sha256(source)
        note = "" if same else f"not the one of this version: copy {source} over it, or export again"
        rows.append(Difference(name, float(same), 1.0, at_least=True, note=note))
    return rows
