"""A table without training: each row's command, what the paper prints, and the size of the network built here."""

from collections.abc import Sequence

import torch

from heads.sizes import Size, measure
from tasks.app.resolve import composed
from tasks.common.table import print_table
from tasks.engine.build import make_backbone
from tasks.engine.instantiate import make
from tasks.engine.settings import Run
from tasks.papers.table import Data, Row, Table

DATA = {  # by name of the data set's class
    "ImageNet": Data(1000, (224, 224)),
    "Imagenette": Data(10, (224, 224)),
    "cifar10": Data(10, (32, 32)),
    "cifar100": Data(100, (32, 32)),
    "Coco": Data(80, (320, 320)),
    "Cityscapes": Data(19, (1024, 2048)),
    "Voc": Data(21, (513, 513)),
}


def show(table: Table, rows: Sequence[Row]) -> None:
    """Print the rows, then their commands."""
    sizes = [size_of(table, row) for row in rows]
    print_table(
        ("", *(f"paper {name}" for name in table.columns), "params", "no BN", "MAdds"),
        (
            (
                row.name,
                *row.cells(),
                f"{size.params / 1e6:.3f}M",
                f"{size.params_without_norm / 1e6:.3f}M",
                f"{size.madds / 1e6:,.1f}M",
            )
            for row, size in zip(rows, sizes, strict=True)
        ),
        title=f"{table.key}: {table.title}",
    )
    if table.note:
        print(f"({table.note})")
    for row in rows:
        print(f"python -m tasks.{table.task} {' '.join(row.overrides)}")


def size_of(table: Table, row: Row) -> Size:
    """Count the network of a row at the paper's image size, without allocating memory."""
    run = composed(table.task, *row.overrides).run
    (part,) = run.learner.heads.values()
    data = table.counted or data_of(run)
    with torch.device("meta"):
        backbone = make_backbone(run.learner.backbone)
        head = make(part.head, "head")(backbone.features, data.classes)
        backbone.keep(head.maps)
        return measure(backbone, head, *(run.stored["image_size"] or data.size))


def data_of(run: Run) -> Data:
    """The known facts of a run's data set."""
    dataset = run.stored["dataset"]
    name = dataset["_target_"].rpartition(".")[2]
    return DATA[dataset["name"] if name == "CIFAR" else name]
