"""What stands for the `<…>` and `…` of a command, and what makes it small; which are only composed, and why."""

import re
import shlex
from pathlib import Path

from tests.docs.shell import Line

TASKS = ("segment", "detect", "classify", "multilabel", "multitask")
OWN = {  # <folder> by task: a name in the workspace
    "segment": "masks", "detect": "boxes", "classify": "folders", "multilabel": "tags", "multitask": "boxes",
    "search": "masks", "doctor": "boxes", "compare": "masks",
}  # fmt: skip
STANDS_FOR: tuple[tuple[str, str], ...] = (  # first come, first served
    (r"<folder with .*>/>", "folders"),
    (r"(dataset=voc\S* dataset\.root)=<folder>", r"\1=voc"),
    (r"(dataset=masks dataset\.root)=<folder>", r"\1=unsplit"),
    (r"(dataset=folders dataset\.root)=<folder>", r"\1=folders"),
    (r"(dataset=coco_json dataset\.root)=<folder>", r"\1=boxes"),
    (r"to=<folder>", "to=published"),
    (r"(tasks\.publish checkpoint=)\S*best\.ckpt", r"\1runs/segment/checkpoints/best.ckpt"),
    (r"(tasks\.multitask\.prune )best", r"\1multitask"),
    (r"<data\.yaml>", "yolo/data.yaml"),
    (r"backbone=\S+ weights=<file[^>]*>", "backbone=mobilenet_v2 weights=mobilenet_v2.pth"),
    (r"weights=<file[^>]*>|weights=mobilenet_v2_imagenet\.pth", "weights=mobilenet_v2.pth"),
    (r"<of multitask>", "multitask.ckpt"),
    (r"runs=\[<run of seed 1>,<run of seed 2>\]", "runs=[]"),
    (r"<run>/checkpoints/", ""),
    (r"outputs/segment/<run>", "runs/segment"),
    (r"<photo>", "photos/street.png"),
    (r"outputs/search/…/", ""),
    (r"model=outputs/exports", "model=files"),
    (r"weights=…", "backbone=mobilenet_v2 weights=mobilenet_v2.pth"),
    (r"outputs/…/checkpoints/|outputs/…/|\b[ab]/(?=model\.)", ""),
    (r"dataset=… ?|(?<= )… ?|…$", ""),
    (r"budget\.latency_ms=5\b", "budget.latency_ms=5000"),  # on a machine that other tests keep busy
    (r"<task>", "segment"),
    (r"<?\bmodel\.(onnx|xml|tflite|param|pte|pt2)>?", r"files/\1/model.\1"),
    (r"<\.\.\.>|\.\.\.", ""),
)
SMALL = ("trainer.max_epochs=1", "data.workers=0", "pictures=0", "trainer.accelerator=cpu", "trainer.devices=1")
STREETS = ("dataset.train=8", "dataset.val=4", "dataset.height=64", "dataset.width=128", "image_size=[64,128]")
# Commands that are composed and checked, but not run, with the reason.
COMPOSED = (
    (r"experiment=", "experiments train for minutes, or on data sets of gigabytes"),
    (r"dataset=(imagenet|cityscapes)\b|datasets=", "a layout whose miniature other tests train on"),
    (r"weights=(\w+_Weights|timm:|hf:)", "would download"),
    (r"\bdevice=device", "needs a device's result; tests/tasks/deploy/test_device.py reads them"),
    (r"search=candidates", "exports networks for minutes; tests/tasks/search/test_device.py"),
    (r"benchmark\.score=true", "scores each file in a process of its own; tests/tasks/deploy/test_ranking.py"),
    (r"search=(netadapt|blocks|recipe)", "minutes of training; tests/tasks/search runs each"),
    (r"search=(width|latency) .*latency", "measures layers for a minute; tests/tasks/search/test_width.py"),
    (r"resume=", "a run that was stopped is needed; tests/soak and tests/tasks/engine resume"),
    (r"devices=[28]|num_nodes", "several processes; tests/tasks/app/test_distributed.py starts them"),
    (r"(distill\.teacher|backbone\.file)=", "needs a network of the same classes, or one that was found"),
    (r"-m (seed|backbone)=|-m .*seed=", "several trainings; tests/tasks/app/test_sweep.py sweeps"),
    (r"data\.decode=cuda", "needs CUDA; tests/gpu/test_decode.py"),
    (r"dataset=packed", "needs a packed data set; tests/tasks/pack trains on them"),
    (r"plugins=\[bolts\]", "tests/tasks/app/test_own_data.py runs the page"),
    (r"input=[\"']?(clip|\d|rtsp|\S+\.txt)", "tests/tasks/predict/test_videos.py makes videos"),
    (r"export\.page=true", "needs onnxruntime-web; tests/tasks/page"),
    (r"segment\.frozen=true", "adds a head to a checkpoint; tests/tasks/multitask does"),
)
# Commands of other modules that are not run, with the reason.
LEFT_OUT = (
    (r"benchmarks\.gpu|pytest -m gpu", "needs a GPU; tests/test_benchmarks.py runs the tiny form"),
    (r"tasks\.compare (--data|<|outputs)", "needs runs, or nine trainings; tests/tasks/compare"),
    (r"tasks\.multitask\.compare", "several trainings; tests/tasks/multitask"),
    (r"tasks\.papers .*scale=", "several trainings; tests/tasks/papers"),
    (r"tasks\.page ", "serves until it is stopped; tests/tasks/page"),
    (r"tasks\.pack ", "data sets of gigabytes, or a place of the reader's; tests/tasks/pack"),
    (r"tasks\.deploy ", "every backbone; tests/tasks/deploy"),
    (r"backbones \S*found\.yaml", "needs a network that a search found"),
    (r"dataset=shapes backbone=tiny_net", "needs the variable of the line before it; tests/test_plugins.py"),
    (r"detect\.score instances", "tests/tasks/detect/test_score.py"),
)


def filled(line: Line) -> str:
    """The command with files of the workspace in the place of what stands for the reader's own."""
    text = line.text
    for pattern, instead in STANDS_FOR:
        text = re.sub(pattern, instead, text)
    return text.replace("<folder>", OWN.get(line.module.removeprefix("tasks."), "folder"))


def arguments_of(line: Line) -> list[str]:
    """What follows the module."""
    return shlex.split(filled(line))[2 if line.text.startswith("mobilevision") else 3 :]


def composed_only(line: Line) -> str:
    """Why a command of a task is not run; '' if it is."""
    return next((why for pattern, why in COMPOSED if re.search(pattern, line.text)), "")


def left_out(line: Line) -> str:
    """Why a command of another module is not run; '' if it is."""
    return next((why for pattern, why in LEFT_OUT if re.search(pattern, line.text)), "")


def made_small(line: Line, folder: Path) -> list[str]:
    """The arguments of a task's command with what makes it take seconds, and results in a folder."""
    words = arguments_of(line)
    words = [word.replace("to=published", f"to={folder.parent / 'published'}") for word in words]
    task = line.module.removeprefix("tasks.")
    if {"--help", "--keys", "--cfg"} & set(words) or task not in (*TASKS, "search"):
        return words
    keys = {word.partition("=")[0] for word in words}
    words = [f"checkpoint={task}.ckpt" if word == "checkpoint=best.ckpt" else word for word in words]
    stored = "mode" in keys and keys & {"checkpoint", "model"}
    more = [*SMALL, f"hydra.run.dir={folder}"]
    more += [] if stored or "dataset" in keys else STREETS
    if "dataset" in keys and not stored:
        more += ["data.batch_size=2", "image_size=[64,64]"]
    if "checkpoint" in keys and "mode" not in keys:
        more += ["backbone.width=0.35"]  # of the workspace's networks
    if "dataset=table" in words:
        more += ["dataset.val.share=0.2"]
    if "mode=export" in words:
        more += ["export.images=2", "export.calibration=8", "export.gate=warn", "export.budget=1.0"]
        more += ["export.slower=true"] if "export.precision=int8" in words else []  # of a network of a few pixels
    if "mode=benchmark" in words:
        more += ["benchmark.seconds=0.1", "benchmark.warmup=1", "benchmark.photo=[48,64]"]
    return [*words, *(word for word in more if word.partition("=")[0] not in keys)]
