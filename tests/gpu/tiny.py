"""Each task's tiny data set and command, for tests that run all of them on a device."""

from pathlib import Path

from tests.conftest import write_cityscapes, write_coco, write_folders
from tests.tasks.classify.test_command import TINY as CLASSIFY
from tests.tasks.detect.test_command import TINY as DETECT
from tests.tasks.multilabel.test_command import CROPS, write_table
from tests.tasks.multilabel.test_command import TINY as MULTILABEL
from tests.tasks.multitask.test_command import MIXTURE, SMALL
from tests.tasks.segment.test_command import TINY as SEGMENT

TASKS = ("classify", "detect", "segment", "multilabel", "multitask")
SHORT = ("pictures=0", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=1")


def written(task: str, root: Path) -> tuple[str, ...]:
    """Write the task's data below a folder; the arguments of its command, which trains two epochs on the CPU."""
    if task == "classify":
        return (*CLASSIFY, f"dataset.root={write_folders(root / 'folders')}", *SHORT)
    if task == "detect":
        return (*DETECT, f"dataset.root={write_coco(root / 'coco')}", *SHORT)
    if task == "segment":
        return (*SEGMENT, f"dataset.root={write_cityscapes(root / 'cityscapes')}", *SHORT)
    if task == "multilabel":
        return ("dataset=table", f"dataset.root={write_table(root / 'table')}", *MULTILABEL, *CROPS, *SHORT)
    return (
        "datasets={town:cityscapes,things:coco,kinds:folders}",
        *SMALL,
        *MIXTURE,
        f"datasets.town.root={write_cityscapes(root / 'cityscapes')}",
        "datasets.town.targets=[mask]",
        f"datasets.things.root={write_coco(root / 'coco')}",
        f"datasets.kinds.root={write_folders(root / 'folders')}",
        *SHORT,
    )


def on(device: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The same command on "cuda" or "cpu"."""
    own = {"cuda": "trainer.accelerator=gpu", "cpu": "trainer.accelerator=cpu"}[device]
    return (*(argument for argument in arguments if not argument.startswith("trainer.accelerator=")), own)
