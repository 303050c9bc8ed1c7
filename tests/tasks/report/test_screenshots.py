"""Every kind of page on a desk and on a phone: made by the real commands on tiny data, checked, and photographed into
build/screenshots, so that a person can look."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tasks.multilabel.test_command import CROPS, write_table
from tests.tasks.multilabel.test_command import TINY as TAGS
from tests.tasks.page.conftest import runtime, serve  # noqa: F401 - fixtures
from tests.tasks.page.test_browser import Page
from tests.tasks.report.looks import photographed

STREETS = (
    *("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "backbone.norm_momentum=0.1", "ema=0.9"),
    *("dataset=streets", "dataset.train=12", "dataset.val=6", "dataset.height=96", "dataset.width=192"),
    *("data.batch_size=4", "data.workers=0", "cpu.keep_freed_memory=false", "trainer.accelerator=cpu"),
    *("trainer.max_epochs=3", "trainer.log_every_n_steps=1", "trainer.check_val_every_n_epoch=1", "optimizer.lr=0.01"),
)
ONE = {
    "segment": ("head.hidden=16",),
    "detect": ("image_size=[96,192]", "head.extras=[32,32]", "head.norm_momentum=0.1"),
    "classify": ("head.hidden=16", "data.holdout=0.25"),
}
HEADS = (
    "segment.head.hidden=16",
    "detect.head.extras=[32]",
    "detect.head.norm_momentum=0.1",
    "classify.head.hidden=16",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Where the runs of this module lie, each made once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def made(command, place) -> Callable[..., Path]:
    """The folder of a run, made by a command unless it is there."""

    def go(name: str, task: str, *words: str) -> Path:
        folder = place / name
        if not folder.exists():
            where = "hydra.sweep.dir" if "-m" in words else "hydra.run.dir"
            result = command(task, *sorted(words, key="-m".__ne__), f"{where}={folder}")
            assert result.status == 0, result.err
        return folder

    return go


@pytest.fixture
def trained(made, place) -> Callable[..., Path]:
    """The folder of a tiny training on street scenes."""

    def go(task: str, *words: str, name: str = "") -> Path:
        own = HEADS if task == "multitask" else ONE[task]
        return made(name or task, task, *STREETS, *own, f"dataset.root={place / 'streets'}", *words)

    return go


@pytest.fixture(autouse=True)
def quiet(chromium):
    """Each test reads its own complaints."""
    chromium.complaints()


def shown_scores(chromium, table: int = 0) -> dict[str, str | None]:
    """The exact numbers of a score table by name."""
    rows = chromium.run(
        "return [...document.querySelectorAll('#scores .beside')][arguments[0]].querySelectorAll('tbody')[0].innerText,"
        "[...document.querySelectorAll('#scores .beside')[arguments[0]].querySelector('tbody').rows].map("
        "(row) => [row.cells[0].textContent, row.cells[1].dataset.value ?? null])",
        table,
    )
    return dict(rows)


def check_scores(chromium, folder: Path) -> None:
    """The numbers of the page are those of metrics.json, head by head."""
    metrics = json.loads((folder / "metrics.json").read_text())
    heads = [head for head in json.loads((folder / "network.json").read_text()) if head not in NO_HEADS]
    for place, head in enumerate(heads):
        shown = shown_scores(chromium, place)
        assert shown, head
        for name, value in shown.items():
            expected = metrics[f"{head}/{name}" if len(heads) > 1 else name]
            assert value == (None if expected is None else pytest.approx(expected)) or float(value) == expected, name


NO_HEADS = ("height", "width", "shared")


@pytest.mark.parametrize("task", [*ONE, "multitask"])
def test_a_training(task, trained, chromium):
    folder = trained(task)
    chromium.open(folder / "report.html")
    check_scores(chromium, folder)
    photographed(chromium, task)


def test_a_training_with_any_number_of_classes(made, chromium, tmp_path):
    root = write_table(tmp_path / "data")
    words = ("dataset=table", f"dataset.root={root}", "dataset.labels=[red,green,blue]", "trainer.max_epochs=3")
    folder = made("multilabel", "multilabel", *TAGS, *CROPS, *words)
    chromium.open(folder / "report.html")
    check_scores(chromium, folder)
    photographed(chromium, "multilabel")


def test_a_sweep(trained, chromium):
    folder = trained("classify", "-m", "seed=0,1", name="sweep")
    chromium.open(folder / "compare.html")
    check_compared(chromium, [folder / "0", folder / "1"])
    photographed(chromium, "sweep")


def check_compared(chromium, folders: list[Path]) -> None:
    """The scores of a page of several runs are those of each run's metrics.json, and differences are differences."""
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    rows = chromium.run(
        "return [...document.querySelector('#scores tbody').rows].map((row) => [...row.cells].map("
        "(cell) => cell.dataset.value ?? cell.textContent))"
    )
    assert rows
    for name, first, second, difference in rows:
        expected = [each[name] for each in metrics]
        if None not in expected:
            assert [float(first), float(second)] == expected, name
            assert float(difference) == pytest.approx(expected[1] - expected[0], abs=1e-12)


def test_a_comparison(trained, chromium, monkeypatch, place):
    from tasks.compare.__main__ import main

    folders = [trained("detect"), trained("detect", "backbone.width=0.5", name="wider")]
    monkeypatch.setattr(sys, "argv", ["tasks.compare", *map(str, folders), "--output", str(place)])
    main()
    chromium.open(place / "compare.html")
    check_compared(chromium, folders)
    photographed(chromium, "compare")


def test_a_search(trained, made, chromium):
    best = trained("classify") / "checkpoints" / "best.ckpt"
    words = ("search=netadapt", "search.step=0.05", "search.steps=1", "search.importance=1", "search.workers=1")
    quick = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "data.workers=0", "cpu.keep_freed_memory=false")
    folder = made("search", "search", *words, *quick, f"checkpoint={best}", "target.madds=0.9x")
    chromium.open(folder / "report.html")
    check_scores(chromium, folder)
    photographed(chromium, "search")


def test_an_export(trained, made, chromium, runtime):  # noqa: F811
    folder = exported(trained, made, runtime)
    chromium.open(folder / "report.html")
    gate = json.loads((folder / "gate.json").read_text())
    rows = chromium.run(
        "return [...document.querySelector('#gate tbody').rows].map((row) => "
        "[row.cells[0].textContent, row.cells[1].dataset.value, row.cells[3].textContent])"
    )
    assert [(what, float(worst), holds) for what, worst, holds in rows] == [
        (row["what"], row["worst"], "yes" if row["holds"] else "no") for row in gate
    ]
    photographed(chromium, "export")


def exported(trained, made, runtime) -> Path:  # noqa: F811
    """The folder of three heads exported with a page."""
    pytest.importorskip("onnx")
    best = trained("multitask") / "checkpoints" / "best.ckpt"
    words = ("export.page=true", "export.images=3", f"export.page_runtime={runtime}")
    return made("export", "multitask", "mode=export", f"checkpoint={best}", *words)


def test_a_benchmark(trained, made, chromium):
    best = [trained("classify"), trained("classify", "backbone.width=0.5", name="wide")]
    files = ",".join(str(folder / "checkpoints" / "best.ckpt") for folder in best)
    short = ("benchmark.seconds=0.05", "benchmark.warmup=0", "benchmark.photo=[36,48]", "trainer.accelerator=cpu")
    folder = made("benchmark", "classify", "mode=benchmark", *short, f"checkpoint=[{files}]")
    chromium.open(folder / "report.html")
    photographed(chromium, "benchmark")


def test_the_page_that_runs_a_network(trained, made, chromium, runtime, serve, tmp_path):  # noqa: F811
    folder = exported(trained, made, runtime)
    photo = next(iter((trained("multitask").parent / "streets").glob("leftImg8bit/val/*/*.png")))
    page = Page(chromium, f"{serve(folder / 'page')}/")
    assert page.choose(photo) == f"{photo.name}, 192×96 pixels"
    photographed(chromium, "try", complaints=False)
    assert page.complaints() == []
