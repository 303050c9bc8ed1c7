"""Every kind of page on a desk and on a phone: made by the real commands on tiny data, checked, and photographed into
build/screenshots, so that a person can look. tests/slow.txt has those that are not in `make test`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tasks.multilabel.test_command import CROPS, write_table
from tests.tasks.multilabel.test_command import TINY as TAGS
from tests.tasks.report.looks import faults, photographed

STREETS = (
    *("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "backbone.norm_momentum=0.1", "ema=0.9"),
    *("dataset=streets", "dataset.train=12", "dataset.val=6", "dataset.height=96", "dataset.width=192"),
    *("data.batch_size=4", "data.workers=0", "cpu.keep_freed_memory=false", "trainer.accelerator=cpu"),
    *("trainer.max_epochs=3", "trainer.log_every_n_steps=1", "trainer.check_val_every_n_epoch=1", "optimizer.lr=0.01"),
)
OWN = {
    "segment": ("head.hidden=16",),
    "detect": ("image_size=[96,192]", "head.extras=[32,32]", "head.norm_momentum=0.1"),
    "classify": ("head.hidden=16", "data.holdout=0.25"),
    "multitask": (
        *("segment.head.hidden=16", "detect.head.extras=[32]", "detect.head.norm_momentum=0.1"),
        "classify.head.hidden=16",
    ),
}
QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "data.workers=0", "cpu.keep_freed_memory=false")


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
            result = command(task, *words, f"{where}={folder}")
            assert result.status == 0, result.err
        return folder

    return go


@pytest.fixture
def trained(made, place) -> Callable[..., Path]:
    """The folder of a tiny training on street scenes."""

    def go(task: str, *words: str, name: str = "") -> Path:
        return made(name or task, task, *STREETS, *OWN[task], f"dataset.root={place / 'streets'}", *words)

    return go


@pytest.fixture(autouse=True)
def silent(chromium):
    """Each test reads its own complaints."""
    chromium.complaints()


def read(path: Path):
    return json.loads(path.read_text())


def check_scores(chromium, folder: Path) -> None:
    """The numbers of the page are those of metrics.json, head by head."""
    metrics = read(folder / "metrics.json")
    heads = [head for head in read(folder / "network.json") if head not in ("height", "width", "shared")]
    tables = chromium.run(
        "return [...document.querySelectorAll('#scores table')]"
        ".filter((one) => one.rows[0].cells[0].textContent === 'score').map((one) =>"
        " [...one.tBodies[0].rows].map((row) => [row.cells[0].textContent, row.cells[1].dataset.value]))"
    )
    assert len(tables) == len(heads)
    for head, rows in zip(heads, tables, strict=True):
        assert rows, head
        for name, value in rows:
            expected = metrics[f"{head}/{name}" if len(heads) > 1 else name]
            assert (None if value is None else float(value)) == expected, f"{head} {name}"


def check_compared(chromium, *folders: Path) -> None:
    """The scores of a page of two runs are those of each one's metrics.json, and differences are differences."""
    metrics = [read(folder / "metrics.json") for folder in folders]
    rows = chromium.run(
        "return [...document.querySelector('#scores tbody').rows].map((row) => [...row.cells].map("
        "(cell) => cell.dataset.value ?? cell.textContent))"
    )
    known = [row for row in rows if None not in (each[row[0]] for each in metrics)]
    assert len(known) > 2
    for name, one, other, difference in known:
        assert [float(one), float(other)] == [each[name] for each in metrics], name
        assert float(difference) == pytest.approx(float(other) - float(one), abs=1e-12), name


@pytest.mark.parametrize("task", OWN)
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
    folder = trained("classify", "-m", "seed=0,1", name="sweep")  # -m behind other words
    chromium.open(folder / "compare.html")
    check_compared(chromium, folder / "0", folder / "1")
    names = chromium.texts("#runs .run-name")
    assert names[:2] == ["0: seed=0", "1: seed=1"]
    top1 = [read(folder / run / "metrics.json")["top1"] for run in ("0", "1")]
    mean, sd = sum(top1) / 2, abs(top1[0] - top1[1]) / 2**0.5
    cells = chromium.texts("#seeds td")
    assert f"{mean:.4f} ± {sd:.4f}" in cells
    photographed(chromium, "sweep")


def test_a_comparison(trained, chromium, monkeypatch, place):
    from tasks.compare.__main__ import main

    folders = [trained("detect"), trained("detect", "backbone.width=0.5", name="wider")]
    monkeypatch.setattr(sys, "argv", ["tasks.compare", *map(str, folders), "--output", str(place)])
    main()
    chromium.open(place / "compare.html")
    check_compared(chromium, *folders)
    photographed(chromium, "compare")


def test_a_search(trained, made, chromium):
    seed = trained("classify") / "checkpoints" / "best.ckpt"
    words = ("search=netadapt", "search.step=0.05", "search.steps=1", "search.importance=1", "search.workers=1")
    folder = made("search", "search", *words, *QUICK, f"checkpoint={seed}", "target.madds=0.9x")
    chromium.open(folder / "report.html")
    check_scores(chromium, folder)
    points = chromium.run(
        "return [...document.querySelectorAll('#search .scatter')].map((each) => each.points.map((point) => point.y))"
    )
    assert points[1] == [read(run / "metrics.json")["top1"] for run in (seed.parents[1], folder)], "seed and found"
    photographed(chromium, "search")


def test_a_benchmark(trained, made, chromium):
    runs = [trained("classify"), trained("classify", "backbone.width=0.5", name="wide")]
    files = ",".join(str(folder / "checkpoints" / "best.ckpt") for folder in runs)
    short = ("benchmark.seconds=0.05", "benchmark.warmup=0", "benchmark.photo=[36,48]", "trainer.accelerator=cpu")
    folder = made("benchmark", "classify", "mode=benchmark", *short, f"checkpoint=[{files}]")
    chromium.open(folder / "report.html")
    check_benchmark(chromium, read(folder / "benchmark.json"), "top1")
    photographed(chromium, "benchmark")


def check_benchmark(chromium, rows, worth: str) -> None:
    """The page's table and chart have what was measured."""
    cells = chromium.run(
        "const [head, ...rows] = document.querySelector('#benchmark table').rows;"
        "return rows.map((row) => Object.fromEntries([...row.cells].map((cell, place) =>"
        " [head.cells[place].textContent, cell.dataset.value ?? cell.textContent])))"
    )
    assert [(each["name"], float(each["network ms"])) for each in cells] == [
        (row["name"], row["network_p50_ms"]) for row in rows
    ]
    points = chromium.run("return document.querySelector('#benchmark .scatter').points.map(({ x, y }) => [x, y])")
    unit = 1e6 if worth == "multiply_adds" else 1
    assert points == [[row["network_p50_ms"], row[worth] / unit] for row in rows]


def test_what_is_wrong_with_a_look_is_seen(chromium, tmp_path):
    page = tmp_path / "page.html"
    for style, fault in (
        ("", None),
        ("b { position: absolute; top: 0; left: 0 } i { position: absolute; top: 4px; left: 4px }", "over each other"),
        ("p { width: 2rem; overflow: hidden; white-space: nowrap }", "cut"),
        ("p { width: 2rem; overflow: auto; white-space: nowrap }", None),
        ("i { position: absolute; left: -20px }", "beside the screen"),
    ):
        page.write_text(f"<style>{style}</style><p><b>one two three four</b> <i>five</i></p>")
        chromium.open(page)
        found = faults(chromium)
        assert (found == []) if fault is None else any(line.startswith(fault) for line in found), (style, found)
