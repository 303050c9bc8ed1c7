"""README.md: the model card, after Mitchell et al., "Model Cards for Model Reporting" (arXiv:1810.03993)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.checkpoint.checkpoint import source_of
from tasks.common.spread import Cell, markdown
from tasks.common.task_info import infos
from tasks.config.tree import resolved, select
from tasks.publish.arguments import Request
from tasks.publish.private import is_path, name_of
from tasks.publish.runs import Run, spreads

PIPELINES = {  # names of the Hugging Face Hub, by kind of label
    "mask": "image-segmentation",
    "boxes": "object-detection",
    "label": "image-classification",
    "multilabel": "image-classification",
}
FINDS = {"mask": "the class of every pixel", "boxes": "objects with their boxes", "label": "the class of an image",
         "multilabel": "all classes that are in an image"}  # fmt: skip


class Subject(NamedTuple):
    """What the card is about.

    Attributes:
        metadata: of the checkpoint.
        class_names: by head.
        own: the run that scored the checkpoint.
        others: the same training with other seeds.
        command: of the training; '' if it was not kept.
        hashes: SHA-256 by file.
    """

    metadata: Mapping[str, Any]
    class_names: Mapping[str, Sequence[str]]
    own: Run
    others: Sequence[Run]
    command: str
    hashes: Mapping[str, str]


def card(subject: Subject, request: Request) -> str:
    """The card's text."""
    title = request.name or f"{network_of(subject.metadata)} on {data_of(subject.metadata)}"
    parts = [
        front_matter(subject, request.licence),
        f"# {plain(title)}\n",
        *what_it_is(subject),
        "## Use\n",
        '```python\nfrom tasks import load\nmodel = load("<this folder>")\nfound = model.predict("photo.jpg")\n```\n',
        "It needs the package `mobilevision`. `python example.py photo.jpg` prints what is found. The commands that "
        "evaluate, predict, export or train on take `checkpoint=<this folder>`. Loading runs and unpickles nothing.\n",
        *scores(subject),
        *training(subject),
        *limits(subject, request),
        "## Licence\n",
        f"{request.licence}\n" if request.licence else "None is stated.\n",
        "## Files\n",
        markdown(["file", "sha256"], [[f"`{name}`", f"`{digest}`"] for name, digest in subject.hashes.items()]),
    ]
    return "\n".join(parts)


def front_matter(subject: Subject, licence: str | None) -> str:
    """The block that model hubs read."""
    targets = {infos()[name].target for name in subject.metadata["tasks"]}
    lines = ["---", "library_name: mobilevision"]
    lines += [f"license: {licence.lower()}"] if licence else []
    lines += [f"pipeline_tag: {PIPELINES[target]}" for target in targets if len(targets) == 1 and target in PIPELINES]
    return "\n".join([*lines, "tags: [mobilevision]", "---", ""])


def what_it_is(subject: Subject) -> list[str]:
    """What it finds, and in what network."""
    lines = []
    for name, names in subject.class_names.items():
        finds, file = FINDS.get(infos()[name].target, name), labels_file(name, subject.class_names)
        shown = ", ".join(map(plain, names[:20])) + (" …" if len(names) > 20 else "")
        lines.append(f"It finds {finds}: {len(names)} class{'es' * (len(names) != 1)} (`{file}`): {shown}.\n")
    costs = subject.own.costs
    rows: list[list[Cell]] = [
        [name, f"{cost['params'] / 1e6:.3f}M", f"{cost['multiply_adds'] / 1e6:,.1f}M"]
        for name, cost in costs.items()
        if isinstance(cost, dict)
    ]
    size = f"{costs['height']}×{costs['width']}"
    return [
        *lines,
        f"Network: {network_of(subject.metadata)}.\n",
        markdown(["network", "params", f"multiply-adds at {size}"], rows),
    ]


def scores(subject: Subject) -> list[str]:
    """The scores, main ones first, with their spread over seeds."""
    own, found = subject.own, spreads([subject.own, *subject.others])
    count = 1 + len(subject.others)
    headings = ["", "this file", *([f"mean ± sd of {count} seeds"] if subject.others else [])]
    main = [name for name in own.scores if "/" not in without_head(name, subject)]
    lines = ["## Scores\n", f"On the {own.metrics['images']:,} images of {split_of(own.config)}.\n"]
    if "holdout" in subject.metadata and own.config.get("mode") != "evaluate":
        lines[-1] = f"On {own.metrics['images']:,} images that were held out of the training split.\n"
    for title, names in (("", main), ("By class:\n", [name for name in own.scores if name not in main])):
        rows: list[list[Cell]] = [
            [plain(name), own.scores[name], *([found[name]] if subject.others else [])] for name in names
        ]
        lines += [title] * bool(title and rows) + [markdown(headings, rows)] * bool(rows)
    if subject.others:
        seeds = ", ".join(str(run.trained.get("seed")) for run in (own, *subject.others))
        lines.append(f"Seeds {seeds}; this file is of seed {own.trained.get('seed')}. sd: sample standard deviation.\n")
    else:
        lines.append("One seed: how far another one would differ is not known.\n")
    return lines


def split_of(config: Mapping[str, Any]) -> str:
    """The split that was scored, by the configuration of the run that scored it."""
    data = config.get("dataset")
    name = data.get("val_split") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or name in ("val", "valid", "validation"):
        return "the validation split"
    return f"the split {plain(name)}"


def training(subject: Subject) -> list[str]:
    """Data, start and command."""
    run = next((run for run in (subject.own, *subject.others) if run.training), None)
    amount = (
        f" on {run.training['images']:,} images, {run.training['epochs']} epoch{'s' * (run.training['epochs'] != 1)}"
        if run
        else ""
    )
    lines = ["## Training\n", f"Data: {data_of(subject.metadata)}{amount}.\n", *started_from(subject)]
    if select(subject.metadata["config"], "quantise.aware"):
        form = plain(str(select(subject.metadata["config"], "quantise.format")))
        lines.append(f"It was fine-tuned with the rounding of int8 files of {form}, and is scored with it.\n")
    return [*lines, f"```\n{subject.command}\n```\n" if subject.command else "The command was not kept.\n"]


def limits(subject: Subject, request: Request) -> list[str]:
    """Intended use and limits."""
    use = request.use or "Images like those of the training data."
    limit = request.limits or (
        "Scores hold for images like those that were scored, from the same source. Other cameras, places, weather or "
        "classes were not tested. Only the classes above can be found."
    )
    return ["## Intended use and limits\n", f"{plain(use)}\n", f"{plain(limit)}\n", *input_size(subject.metadata)]


def input_size(metadata: Mapping[str, Any]) -> list[str]:
    """What the network sees of an image."""
    fit = resolved(metadata["config"])["data"].get("fit")
    if not isinstance(fit, Mapping):
        return []
    sides, crop = fit.get("size") or fit.get("resize"), fit.get("crop")
    shown = f"{' × '.join(map(str, sides))} (height, width)" if isinstance(sides, list) else ""
    shown = f"a shorter side of {sides}" if isinstance(sides, int) else shown
    cut = f"; of that, the middle {crop} × {crop} is seen" if isinstance(crop, int) else ""
    return [f"Images are resized to {shown} first{cut}.\n"] if shown else []


def started_from(subject: Subject) -> list[str]:
    """Whose weights the training started from, whose terms may apply as well."""
    source = source_of(subject.metadata)
    shown = f"…/{name_of(str(source))}" if is_path(str(source)) else source
    return [f"It started from `{shown}`, whose terms may apply too.\n"] if source else []


def network_of(metadata: Mapping[str, Any]) -> str:
    """Backbone and heads in a few words."""
    config = metadata["config"]
    backbone = class_of(config["backbone"])
    keys = [f"{key}={config['backbone'][key]}" for key in ("name", "size", "variant", "depth", "width")
            if config["backbone"].get(key) is not None]  # fmt: skip
    heads = [config[name]["head"] if metadata["task"] == "multitask" else config["head"] for name in metadata["tasks"]]
    return (
        f"{backbone} ({', '.join(keys)})" * bool(keys)
        + backbone * (not keys)
        + " + "
        + " + ".join(map(class_of, heads))
    )


def class_of(spec: Mapping[str, Any]) -> str:
    """The class that a spec builds, without its module."""
    return str(spec.get("_target_", "")).rpartition(".")[2]


def data_of(metadata: Mapping[str, Any]) -> str:
    """The data set's class, and its folder's name."""
    sets = metadata["config"].get("datasets") or {"": metadata["config"]["dataset"]}
    if not isinstance(sets, Mapping):
        return "several data sets"
    named = []
    for name, spec in sets.items():
        root = name_of(str(spec.get("root") or "")) if isinstance(spec, Mapping) else ""
        what = class_of(spec) if isinstance(spec, Mapping) else str(name)
        named.append(f"{what} ({root})" if root and "$" not in root else what)
    return ", ".join(map(plain, named))


def labels_file(head: str, heads: Mapping[str, Any]) -> str:
    """The file of a head's classes."""
    return "labels.txt" if len(heads) == 1 else f"{head}_labels.txt"


def without_head(name: str, subject: Subject) -> str:
    """A score's name without the head before it."""
    return next((name.removeprefix(f"{head}/") for head in subject.class_names if name.startswith(f"{head}/")), name)


def plain(text: str) -> str:
    """A text in one line, whose characters Markdown does not read as markup."""
    return "".join(f"\\{letter}" if letter in "\\`*<>[]" else letter for letter in " ".join(str(text).split()))
