"""How far a run is: by what it noted, by whether its process is there, and by how long nothing was heard of it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tasks.report.process import has_ended, this_process
from tasks.report.reading import Parts
from tasks.report.run import about
from tasks.report.write import note, write_report
from tests.tasks.report.runs import write_run


@pytest.fixture
def folder(tmp_path):
    folder = write_run(tmp_path / "run", 0, 0.5)
    (folder / "metrics.json").unlink()
    return folder


def state(folder):
    return about(folder, Parts(folder, strict=True))["state"]


def ago(**times):
    return (datetime.now(UTC) - timedelta(**times)).isoformat(timespec="seconds")


def test_a_killed_process_is_known_to_have_ended(folder):
    code = "import json; from tasks.report.process import this_process; print(json.dumps(this_process()), flush=True)"
    run = subprocess.Popen([sys.executable, "-c", f"{code}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process = json.loads(run.stdout.readline())
    assert process["pid"] == run.pid and not has_ended(process)
    note(folder, {"state": "training", "process": process})
    assert state(folder) == "training"
    run.kill()
    run.communicate()
    assert has_ended(process)
    assert state(folder) == "broken_off"
    note(folder, {"state": "finished"})
    assert state(folder) == "finished", "what ended with a word is what it said"


def test_only_the_own_machine_can_tell():
    own = this_process()
    assert own["pid"] == os.getpid() and not has_ended(own) and not has_ended(None)
    assert not has_ended({**own, "host": "elsewhere", "pid": 2**22 + 1})
    assert not has_ended({**own, "pid": -1}), "which would be every process"
    if own["since"] is not None:
        assert has_ended({**own, "since": "1"}), "the number was given to another process"


def test_the_machine_is_not_named_on_the_page(folder):
    note(folder, {"state": "training", "process": {**this_process(), "host": "secret"}})
    assert "secret" not in write_report(folder).read_text()


@pytest.mark.parametrize(
    ("noted", "badge", "words"),
    [
        (
            {"state": "training", "updated": {"minutes": 2}, "interval": 60},
            "training",
            "Training goes on (epoch 2 of 2)",
        ),
        ({"state": "training", "updated": {"minutes": 9}, "interval": 60}, "probably broken off", "about every 1 min"),
        ({"state": "training", "updated": {"minutes": 9}, "interval": 200}, "training", "Training goes on"),
        ({"state": "scoring", "updated": {"hours": 9}, "interval": 60}, "probably broken off", "written 9 h "),
        ({"state": "stopped_early", "why": "stop_after=1: 1 of 2 epochs"}, "stopped early", "by stop_after=1: 1 of 2"),
        ({"state": "interrupted", "why": "SIGTERM: <b>"}, "interrupted", "SIGTERM: <b>"),
        ({"state": "stopped"}, "interrupted", "Interrupted"),
        ({"state": "failed", "failure": "ValueError: x"}, "failed", "ValueError: x"),
        ({"state": "finished"}, "finished", ""),
        ({"state": "<i>odd</i>"}, "<i>odd</i>", ""),
    ],
)
def test_what_the_page_says(folder, chromium, noted, badge, words):
    note(folder, noted | ({"updated": ago(**noted["updated"])} if "updated" in noted else {}))
    chromium.open(write_report(folder))
    assert chromium.run("return document.querySelector('.state').textContent") == badge
    said = chromium.run("const box = document.querySelector('.goes-on, .ended'); return box ? box.textContent : ''")
    assert words in said and bool(words) == bool(said)
    assert chromium.complaints() == []


def test_the_page_of_a_process_that_is_gone(folder, chromium):
    note(folder, {"state": "training", "process": {**this_process(), "since": "1"}, "updated": ago(seconds=5)})
    chromium.open(write_report(folder))
    assert chromium.run("return document.querySelector('.state').textContent") == "broken off"
    assert "left no word (epoch 2 of 2)" in chromium.run("return document.querySelector('.ended').textContent")
