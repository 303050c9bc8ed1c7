"""A recipe search that machines share: by a journal or a database, behind kills, and refused to any other search."""

import multiprocessing
import os
import sqlite3
import time
import warnings
from collections import Counter
from contextlib import closing
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from optuna.trial import TrialState

from tasks.common.errors import UserError
from tasks.config.tree import put
from tasks.data.loading.splits import Splits
from tasks.search.recipe.identity import identity, of_today, within
from tasks.search.recipe.worker import End
from tasks.search.study import check_same
from tests.patience import LONG, wait_until
from tests.tasks.search.test_identity import CONFIG, Photos
from tests.tasks.search.test_recipe_command import FakeWorker, run, search
from tests.tasks.search.test_recipe_study import ask, finish, opened
from tests.tasks.search.test_study import opened as opened_blocks
from tests.tasks.search.test_study import place

__all__ = ["place", "search"]  # fixtures
FORK = multiprocessing.get_context("fork")  # which imports nothing again, and inherits no POSIX lock


def search_there(folder, place, trials, quick):
    """What another machine does: it ends so many trials at once; in the next one it stays until it may `go` on."""
    study, ledger = opened(place), os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while len(study.outcomes()) < trials:
        if (trial := study.next(trials)) is None:
            time.sleep(0.05)
            continue
        os.write(ledger, f"{trial.number}\n".encode())
        while quick == 0 and not (folder / "go").exists():
            time.sleep(0.02)
        quick -= 1
        finish(study, trial, trial.params["lr"])


def machine(*arguments):
    process = FORK.Process(target=search_there, args=arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests have threads
        process.start()
    return process


def begun(folder):
    ledger = folder / "ledger"
    return ledger.read_text().split() if ledger.exists() else []


def test_killed_in_the_middle_nothing_is_lost_or_run_twice(tmp_path, place):
    first = [machine(tmp_path, place, 6, 1) for _ in range(2)]
    wait_until(lambda: len(begun(tmp_path)) == 4)  # each stays in its second
    for process in first:
        process.kill()
        process.join()
    for process in [machine(tmp_path, place, 6, -1) for _ in range(2)]:
        process.join(LONG)
        assert process.exitcode == 0
    study = opened(place)
    states = Counter(trial.state for trial in study.trials())
    assert states[TrialState.COMPLETE] == len(study.outcomes()) == 6, "of the whole study"
    assert set(states) == {TrialState.COMPLETE, TrialState.FAIL} and states[TrialState.FAIL] == 2
    assert len(begun(tmp_path)) == len(set(begun(tmp_path))), "no trial in two processes"
    whole = [trial.params for trial in study.trials() if trial.state == TrialState.COMPLETE]
    lost = [trial.params for trial in study.trials() if trial.state == TrialState.FAIL and trial.params]
    assert all(whole.count(point) == 1 for point in lost)


def test_a_search_waits_for_the_trials_of_others(search, tmp_path, capsys):
    other = machine(tmp_path, str(tmp_path / "trials.log"), 3, 0)
    try:
        wait_until(lambda: begun(tmp_path))
        found = search(study="trials.log", trials=3, minutes=9)
        listen = found.listen

        def listens(*arguments):
            if not found.busy:  # only the other's trial is left
                (tmp_path / "go").touch()
            listen(*arguments)

        found.listen = listens
        mine = FakeWorker(*[End("complete", 0.5)] * 2)
        found.show()
        run(found, mine)
    finally:
        other.kill()
        other.join()
    jobs = [job.name for job in mine.asked]
    assert jobs == ["1", "2"] and begun(tmp_path) == ["0"]
    assert [(outcome.number, outcome.state) for outcome in found.study.outcomes()] == [
        (n, "complete") for n in range(3)
    ]
    assert "recipe    score 0.0100" in capsys.readouterr().out, "each shows all"


def test_what_another_process_was_given_is_left_to_it(tmp_path):
    study = opened(tmp_path)
    finish(study, ask(study), 0.5)
    trial = ask(study)
    assert study.goes_on(trial, 1, 0.5)
    study.study.tell(trial.number, state=TrialState.FAIL)  # as another does after a long silence
    assert not study.goes_on(trial, 2, 0.5)
    study.end(trial, "complete", score=0.5, seconds=1.0)
    assert study.trials()[1].state == TrialState.FAIL and len(study.outcomes()) == 1


def test_a_study_of_networks_is_none_of_recipes(place):
    opened_blocks(place)
    with pytest.raises(UserError, match=r"^search.study=here is of another search: search=blocks there, search=recipe"):
        opened(place)


def described(photos=None, held=None, classes=("cat", "dog"), varied=("lr 0.01 to 1",), **changes):
    config = CONFIG | {"weights": None, "checkpoint": None}
    for key, value in changes.items():
        config = put(config, key.replace("__", "."), value)
    splits = Splits({"label": classes}, photos or Photos([0, 1] * 40), held or Photos([0, 1]))
    return identity(SimpleNamespace(stored=config), splits, varied)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photos": Photos([0, 1] * 41)}, "training images is 80 images, "),
        ({"photos": Photos([1, 0] * 40)}, "training images is 80 images, "),
        ({"held": Photos([0, 1], prefix="other")}, "held-out images is 2 images, "),
        ({"classes": ("dog", "cat")}, "classes is {'label': ['cat', 'dog']} there, {'label': ['dog', 'cat']} here"),
        ({"data__augment": {"flip": {"p": 0.2}}}, "data.augment.flip.p is 0.5 there, 0.2 here"),
        ({"distill__temperature": 3.0}, "distill.temperature is 2.0 there, 3.0 here"),
        ({"search__epochs": 4}, "search.epochs is 3 there, 4 here"),
        ({"varied": ("lr 0.01 to 2",)}, "varied is ['lr 0.01 to 1'] there, ['lr 0.01 to 2'] here"),
        ({"optimizer__lr": 0.2}, "optimizer.lr is 0.1 there, 0.2 here"),
    ],
)
def test_what_decides_a_score_is_compared(changes, message):
    found, asked = described(), described(**changes)
    with pytest.raises(UserError, match=r"^search\.study=a is of another search: ") as error:
        check_same(of_today(found, asked), asked, "search.study=a")
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_teacher_is_known_by_its_content(tmp_path):
    files = [tmp_path / name for name in ("one.ckpt", "moved.ckpt", "other.ckpt")]
    for file, content in zip(files, (b"1", b"1", b"2"), strict=True):
        file.write_bytes(content)
    one, moved, other = (described(distill__teacher=str(file)) for file in files)
    assert one == moved
    with pytest.raises(UserError, match=r"another search: distill\.teacher is sha256 6b86b273ff34fce1 there"):
        check_same(of_today(one, other), other, "search.study=a")


def test_what_decides_nothing_may_differ():
    same = {"search__trials": 9, "search__study": "x", "data__workers": 3, "dataset__root": "/there"}
    asked = described(**same)
    assert asked == described() and not [key for key in asked if within(key, "dataset")]
    assert within("cpu.bind", "cpu") and not within("cpus", "cpu")
    before = {key: value for key, value in described().items() if key not in ("classes", "varied")}
    assert of_today(before | {"dataset.root": "/here"}, asked) == asked, "a journal of before goes on"


def test_what_is_no_study_is_refused_in_one_line(tmp_path):
    (tmp_path / "folder.log").mkdir()
    with pytest.raises(UserError, match=r"search\.study=.*folder\.log is no file"):
        opened(str(tmp_path / "folder.log"))
    with pytest.raises(UserError, match=r"search\.study=/dev/zero is no file"):  # it was read until memory ran out
        opened("/dev/zero")
    (tmp_path / "text").write_text("")
    with pytest.raises(UserError, match=r"search\.study=here: .*/text: File exists"):
        opened(str(tmp_path / "text" / "study.log"))
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("create table studies(x)")
    with pytest.raises(UserError, match=r"search\.study=sqlite:.*other\.db: no such column: studies\.study_id"):
        opened(f"sqlite:///{tmp_path / 'other.db'}")
