"""Trainings of a table: what is missing is trained, what fails is named, results stand beside the paper's."""

import csv
import json
import sys
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.common.processes import command_of, start
from tasks.common.spread import Spread
from tasks.common.trainings import Job, claim, run_all
from tasks.common.typed import listed
from tasks.papers.__main__ import main
from tasks.papers.arguments import parse
from tasks.papers.catalogue import find
from tasks.papers.results import judged, publish
from tasks.papers.runs import NOTE, epochs_within, folder_name
from tasks.papers.table import Claim

FAKE = """
import json, pathlib, sys
*words, seeds, folder, score = sys.argv[1:]
if "fail" in words:
    print("error: no such network")
    sys.exit(2)
for seed in seeds.split(","):
    run = pathlib.Path(folder) / f"seed_{seed}"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps({"top1": float(score) + 0.01 * int(seed)}))
    (run / "network.json").write_text(json.dumps({"height": 32, "classify": {"params": 2_000_000, "multiply_adds": 5}}))
    (run / "training.json").write_text(json.dumps({"seconds": 30, "last_epoch_seconds": 20}))
"""


@pytest.fixture
def fake(monkeypatch):
    """Replaces a row's command by one that writes results at once."""

    def command(job, seeds, more, *, alone):
        score = "0.5" if job.name == "linear" else "0.4"
        return [sys.executable, "-c", FAKE, *job.overrides, *more, ",".join(map(str, seeds)), str(job.folder), score]

    monkeypatch.setattr(Job, "command", command)


def jobs(folder: Path, *names: str) -> list[Job]:
    return [Job("classify", name, ("fail",) if name == "bad" else (), folder / folder_name(name)) for name in names]


def test_the_command_of_a_row(tmp_path):
    job = Job("classify", "a b", ("experiment=x",), tmp_path / folder_name("[a] b"))
    assert job.folder.name == "a_b" and folder_name("[]") == "none"
    assert job.command([0, 2], ["trainer.max_epochs=3"], alone=False) == [
        *(*command_of("classify"), "-m", "experiment=x", "trainer.max_epochs=3", "cpu.bind_threads=false", "seed=0,2"),
        *(f"hydra.sweep.dir='{tmp_path / 'a_b'}'", "hydra.sweep.subdir=seed_${seed}"),
    ]


def test_what_is_there_is_kept_and_a_failure_stops_nothing(tmp_path, fake, capfd):
    rows = jobs(tmp_path, "linear", "bad", "relu6")
    kept = rows[0].at(1)
    kept.mkdir(parents=True)
    rows[0].at(0).mkdir()
    (rows[0].at(0) / "run.log").touch()  # of a run that was stopped
    (kept / "metrics.json").write_text("{}")
    assert run_all(rows, [0, 1], [], workers=2) == ["bad: no such network"]
    assert (kept / "metrics.json").read_text() == "{}"
    assert not (rows[0].at(0) / "run.log").exists()
    assert rows[0].done(0) and rows[2].done(0) and rows[2].done(1) and not rows[1].done(0)


def test_minutes_are_divided_among_all_trainings(tmp_path, fake):
    # each training takes 10 s and 20 s per epoch; four trainings, two at a time, in 10 minutes: 2 · 600 = 40 + 80 e
    assert epochs_within(10, jobs(tmp_path, "linear", "relu6"), [0, 1], 2, tmp_path) == 14
    assert not (tmp_path / "linear").exists()
    with pytest.raises(UserError, match=r"^timing an epoch failed: bad: no such network"):
        epochs_within(10, jobs(tmp_path, "bad"), [0, 1], 2, tmp_path)


def test_a_single_row_has_all_cores(tmp_path, fake, monkeypatch):
    started = []
    monkeypatch.setattr("tasks.common.trainings.cores", lambda: range(8))
    monkeypatch.setattr("tasks.common.trainings.start", lambda *words: started.append(words[2]) or start(*words))
    run_all(jobs(tmp_path, "linear"), [0], [], workers=4)
    run_all(jobs(tmp_path, "a", "b"), [0], [], workers=4)
    assert [environment["OMP_NUM_THREADS"] for environment in started] == ["8", "4", "4"]


def test_results_beside_the_papers(tmp_path, fake, capsys):
    table = find("v2.4")
    rows = [row._replace(name=name) for row, name in zip(table.rows()[:2], ("linear", "relu6"), strict=True)]
    ran = jobs(tmp_path, "linear", "relu6")
    run_all(ran, [0, 1], [], workers=2)
    table = table._replace(
        claims=(Claim("linear", ">", "relu6"), Claim("relu6", "≈", "linear"), Claim("V1", ">", "relu6"))
    )
    publish(table, rows, ran, [0, 1, 2], tmp_path)
    with (tmp_path / "table.csv").open() as file:
        first = next(csv.DictReader(file))
    assert first["paper top-1"] == "72.0" and first["seeds"] == "2" and float(first["params M"]) == 2.0
    assert float(first["top1 %"]) == pytest.approx(50.5) and float(first["top1 % sd"]) == pytest.approx(0.5**0.5)
    assert (tmp_path / "claims.md").read_text().splitlines() == [
        "- linear > relu6: holds (50.50 ± 0.71 against 40.50 ± 0.71)",
        "- relu6 ≈ linear: does not hold, lower (40.50 ± 0.71 against 50.50 ± 0.71)",
    ]


def test_conclusions():
    scores = {"a": Spread(70, 1, 3), "b": Spread(69.5, 1, 3), "c": Spread(60, 1, 3), "d": None}
    assert judged(Claim("a", ">", "b"), scores).startswith("a > b: not shown, equal within noise")
    assert judged(Claim("a", "≈", "b"), scores).startswith("a ≈ b: holds, equal within noise")
    assert judged(Claim("c", ">", "a"), scores).startswith("c > a: reversed")
    assert judged(Claim("a", ">", "d"), scores) == ""
    single = {"a": Spread(70, None, 1), "c": Spread(60, None, 1)}
    assert judged(Claim("a", ">", "c"), single).startswith("a > c: unknown, with one seed")


def test_errors_stand_beside_errors(tmp_path, fake):
    table = find("senet.11")
    ran = jobs(tmp_path, "max", "avg")
    run_all(ran, [0], [], workers=1)
    publish(table, table.rows(), ran, [0], tmp_path)
    with (tmp_path / "table.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["paper top-1 err"], float(row["top-1 err %"])) == ("22.57", pytest.approx(60.0))
    assert "| max | 22.57 | 6.09 | 60.00 | 1 | 2.00 |" in (tmp_path / "table.md").read_text()


def test_a_folder_belongs_to_one_table(tmp_path):
    for _ in range(2):
        assert claim(tmp_path / "new", {"table": "v2.4", "epochs": 5}, NOTE, "output=")["epochs"] == 5
    with pytest.raises(UserError, match=r"^--output .*new has runs with epochs=5, not 6; name a new folder"):
        claim(tmp_path / "new", {"table": "v2.4", "epochs": 6}, NOTE, "--output ")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="has other files"):
        claim(tmp_path, {}, NOTE, "output=")
    assert json.loads((tmp_path / "new" / "papers.json").read_text())["table"] == "v2.4"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--table v2.4", "--table: not of the form key=value"),
        ("seeds=1", "seeds=1: table=… is missing"),
        ("table=v2.4 epochs=3", "epochs=… is for a training: scale=mini"),
        ("table=v2.4 scale=big", "scale=big: one of mini, streets, full"),
        ("table=v2.4 scale=mini epochs=3 minutes=3", "epochs=… and minutes=… both say how long"),
        ("table=v2.4 scale=full root=x", "root=… is for scale=mini"),
        ("table=v2.4 scale=mini minutes=-1", "minutes=-1 is not a number above 0"),
        ("table=v2.4 scale=mini seeds=[0,x]", "seeds=x is not a whole number, 0 or more"),
        ("table=v2.4 scale=mini seeds=0,1,0", "seeds=0,1,0 has a seed twice"),
        ("table=v2.4 scale=mini seed=5", "seed=5: seeds=[0,1,2] are this command's"),
        ("table=v2.4 scale=mini epochs=3 trainer.max_epochs=5", "trainer.max_epochs=5: epochs=… or minutes=… says"),
        ("table=v2.4 scale=mini backbone.width=0.5,1.0", "backbone.width=0.5,1.0: several values; a row of a table is"),
        ("table=v2.4 scale=mini image_size=[32", "image_size=[32: brackets, braces, commas"),
        ("table=v2.4 table=v2.6", "table=v2.6: table is given twice"),
        ("table=v2.4 scale=mini workers=0", "workers=0 is not a whole number, 1 or more"),
    ],
)
def test_wrong_arguments(line, message):
    with pytest.raises(UserError) as error:
        parse(line.split())
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("table=v3.8 scale=streets foo=3", "foo: no such key"),
        ("table=v3.8 scale=streets optimizer.lr=-1", "optimizer.lr=-1"),
        ("table=", "table= names no table"),
    ],
)
def test_a_mistake_is_one_line_before_any_row_starts(line, message, tmp_path, capsys, monkeypatch):
    output = [f"output={tmp_path / 'new'}"] if "scale" in line else []
    monkeypatch.setattr("sys.argv", ["papers", *line.split(), *output])
    with pytest.raises(SystemExit) as leave:
        main()
    assert leave.value.code == 2 and capsys.readouterr().err.startswith(f"error: {message}")
    assert not (tmp_path / "new").exists()


def test_arguments():
    asked = parse(["table=v2.4", "scale=mini", "rows=[1,3]", "seeds=[0,5]", "data.batch_size=8", "root=x"])
    assert (asked.rows, asked.seeds, asked.overrides, asked.root.name) == (
        ["1", "3"],
        [0, 5],
        ["data.batch_size=8"],
        "x",
    )
    assert listed("[[2],[2,3]]") == listed("[2],[2,3]") == ["[2]", "[2,3]"]
