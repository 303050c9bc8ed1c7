"""The real block search on a tiny data set: what it leaves behind, going on, several processes, and what is refused."""

import csv

import pytest

pytest.importorskip("optuna")

import torch

from backbones.mobilenet_v3 import MobileNetV3
from backbones.table import plan_of
from backbones.table_file import read_table

SEED = MobileNetV3(size="small", width=0.35)
TINY = (
    "search=blocks",
    "search.trials=4",
    "search.epochs=2",
    "search.prune_after=null",
    "search.holdout=0.25",
    "search.filters=[0.5,1.0]",
    "search.widths=[0.5]",
    "dataset=folders",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "backbone.norm_momentum=0.1",
    "wants.skip_strides=2",
    "head.hidden=0",
    "data.crop.size=32",
    "data.fit.resize=36",
    "data.fit.crop=32",
    "data.augment={}",
    "data.batch_size=4",
    "data.workers=0",
    "optimizer.lr=0.01",
    "trainer.accelerator=cpu",
)


@pytest.fixture
def search(command, folders, tmp_path):
    """`python -m tasks.search` on the tiny data set, with its output folder below tmp_path."""

    def run(folder, *arguments):
        result = command("search", *TINY, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / folder}", *arguments)
        return result, tmp_path / folder

    return run


def history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_leaves_tables_weights_history_and_picture_and_goes_on(search, command, folders, tmp_path):
    result, folder = search("first", "target.madds=0.7x")
    assert result.status == 0, result.err
    rows = history(folder)
    assert [row["name"] for row in rows] == ["seed", "width 0.5", "trial 2", "trial 3", "found"]
    assert [row["kind"] for row in rows] == ["seed", "width", "candidate", "candidate", "found"]
    best = max(rows[:-1], key=lambda row: float(row["score"]) * (int(row["madds"]) / int(rows[0]["madds"])) ** -0.07)
    assert [rows[-1][key] for key in ("score", "madds", "what")] == [best[key] for key in ("score", "madds", "what")]
    assert (folder / "search.png").stat().st_size > 1000
    tables = sorted(path.stem for path in (folder / "front").glob("*.yaml"))
    assert tables == sorted(path.stem for path in (folder / "front").glob("*.ckpt"))
    kept = [rows[int(path.stem)]["name"] for path in (folder / "study_weights").iterdir()]  # trials are in their order
    assert tables == sorted(name.replace(" ", "_").replace(".", "_") for name in kept)

    scored = command(
        *("classify", "mode=evaluate", f"checkpoint={folder / 'found.ckpt'}", f"dataset.root={folders}"),
        f"hydra.run.dir={tmp_path / 'scored'}",
    )
    assert scored.status == 0, scored.err

    result, more = search("more", "target.madds=0.7x", f"search.study={folder / 'study.log'}", "search.trials=5")
    assert result.status == 0, result.err
    assert "5 candidates, 4 of them done" in result.out
    assert history(more)[:4] == rows[:4] and len(history(more)) == 6
    result, _ = search("other", "target.madds=0.7x", f"search.study={folder / 'study.log'}", "search.epochs=3")
    assert result.status == 2
    assert "is of another search: search.epochs is 2 there, 3 here" in result.err


def test_several_processes_and_a_pareto_front(search):
    result, folder = search("run", "target.params=0.9x", "search.objective=pareto", "search.workers=2")
    assert result.status == 0, result.err
    rows = history(folder)
    assert len(rows) == 5 and {"seed", "width 0.5"} < {row["name"] for row in rows}
    within = [row for row in rows[:-1] if int(row["params"]) <= 0.9 * int(rows[0]["params"])]
    assert float(rows[-1]["score"]) == max(float(row["score"]) for row in within)
    journal = (folder / "study.log").read_text()
    assert journal.count('"process"') == 4
    found = torch.load(folder / "found.ckpt", weights_only=True)
    plan = plan_of(found["mobilevision"]["config"]["backbone"]["table"])
    assert plan == plan_of(read_table(folder / "found.yaml"))
    assert len(plan.blocks) and plan != SEED.plan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("target.madds=1k",),
            "target.madds: 1k multiply-adds cannot be reached by these choices: the smallest network",
        ),
        (("target.madds=0.7x", "search.widths=[0.6]"), "search.widths: 0.6 is none of search.filters=[0.5, 1.0]"),
        (("target.madds=0.7x", "search.kernel=[3,5]"), "search.kernel=[3, 5] lacks table"),
    ],
)
def test_what_is_refused(search, arguments, message):
    result, folder = search("run", *arguments)
    assert result.status == 2
    assert message in result.err and len(result.err.splitlines()) == 1
    assert not (folder / "study.log").exists()
