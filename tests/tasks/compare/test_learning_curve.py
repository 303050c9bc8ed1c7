"""A learning curve from its trainings to its files; the trainings are replaced by ones that write results at once."""

import csv
import json
import sys

import pytest

from tasks.common.trainings import Job
from tasks.compare.__main__ import main
from tasks.compare.learning_curve import scores_of

FAKE = """
import json, pathlib, sys
share, seeds, folder, failing = sys.argv[1:]
if share == failing:
    print("error: no such network")
    sys.exit(2)
images = round(400 * float(share))
for seed in seeds.split(","):
    run = pathlib.Path(folder) / f"seed_{seed}"
    run.mkdir(parents=True)
    score = 0.8 - 2 * images ** -0.5 + 0.004 * (int(seed) - 1)
    (run / "metrics.json").write_text(json.dumps({"mIoU": score, "images": 80}))
    (run / "training.json").write_text(json.dumps({"images": images}))
"""


@pytest.fixture
def compare(monkeypatch, capsys, tmp_path):
    """python -m tasks.compare with trainings that write results at once; `failing` is the share that fails."""

    def run(*arguments, failing=""):
        def command(job, seeds, _more, *, alone):
            share = job.overrides[-1].removeprefix("data.share=")
            return [sys.executable, "-c", FAKE, share, ",".join(map(str, seeds)), str(job.folder), failing]

        monkeypatch.setattr(Job, "command", command)
        monkeypatch.setattr("tasks.app.rehearsal.rehearse", lambda *_: None)  # there is no data set
        monkeypatch.setattr(sys, "argv", ["tasks.compare", *arguments, "--output", str(tmp_path / "curve")])
        status = 0
        try:
            main()
        except SystemExit as leave:
            status = leave.code
        return status, *capsys.readouterr(), tmp_path / "curve"

    return run


def test_a_curve_with_its_forecast(compare):
    status, out, err, folder = compare("--data", "0.1,0.3,1", "segment", "dataset=cityscapes")
    assert status == 0, err
    assert (
        "3 shares × 3 seeds = 9 trainings" in out and "0.4838 ± 0.0040" in out and "800 images would bring 0.72" in out
    )
    with (folder / "learning_curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["share"], row["images"], row["runs"]) for row in rows] == [
        ("0.1", "40", "3"),
        ("0.3", "120", "3"),
        ("1", "400", "3"),
    ]
    found = json.loads((folder / "learning_curve.json").read_text())
    assert found["forecast"]["mIoU"]["images"] == 800 and len(found["sizes"][2]["scores"]["mIoU"]) == 3
    assert (folder / "learning_curve.png").stat().st_size > 1000
    before = (folder / "share_1" / "seed_0" / "metrics.json").stat().st_mtime_ns
    status, out, err, _ = compare("--data", "0.1,0.3,1", "segment", "dataset=cityscapes", "--seeds", "0,1,2,3")
    assert status == 0 and "0.4858 ± " in out, err  # the fourth seed's runs are new, the others kept
    assert (folder / "share_1" / "seed_0" / "metrics.json").stat().st_mtime_ns == before
    status, _, err, _ = compare("--data", "0.1,0.3,1", "detect")
    assert status == 2 and err.startswith(f"error: --output {folder} has runs with task=segment, not detect")


def test_a_failed_share_is_named_and_the_others_are_shown(compare):
    status, out, err, _ = compare("--data", "0.1,0.3,1", "segment", failing="0.3")
    assert status == 2 and "mIoU: 2 sizes: three are needed to extrapolate" in out
    assert err == "error: 1 of 3 shares failed: data.share=0.3: no such network\n"


def test_a_training_without_its_score_is_named(compare):
    _, _, _, folder = compare("--data", "0.1,0.3,1", "segment")
    results = folder / "share_1" / "seed_0" / "metrics.json"
    results.write_text(json.dumps({"mIoU": None, "images": 0}))
    status, _, err, _ = compare("--data", "0.1,0.3,1", "segment")
    assert status == 2 and err == f"error: {results} has no mIoU: no validation image has its labels\n"


def test_the_scores_of_several_heads():
    assert scores_of("multitask", {"segment/mIoU": 0.5, "detect/mAP": 0.2, "score": 0.35}) == [
        "segment/mIoU",
        "detect/mAP",
    ]
    assert scores_of("detect", {"mAP": 0.2}) == ["mAP"]
