"""A study that several processes share, and that goes on behind a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from optuna.trial import TrialState

from backbones.mobilenet_v3 import MobileNetV3
from tasks.common.errors import UserError
from tasks.search import shared
from tasks.search.block.candidates import Candidates
from tasks.search.block.space import Space
from tasks.search.block.study import FINISHED, Study
from tasks.search.study import check_same
from tests.patience import LONG, wait_until

ROOT = Path(__file__).parents[3]
FEW = {"expansion": ["table"], "excite": ["table"], "act": ["table"], "filters": [1.0], "layers": [0, 1]}
SPACE = Space(MobileNetV3(size="small").plan, FEW | {"kernel": ["table", 3, 5]})
WORKER = """
import os, sys, time
from tasks.search import shared
from tests.tasks.search.test_study import opened
shared.SILENCE, shared.BEAT = 6, 1
study, ledger = opened(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
quick = int(sys.argv[4])
while (trial := study.next(int(sys.argv[3]), lambda: time.sleep(0.02))) is not None:
    os.write(ledger, f"{trial.number} begun {sorted(trial.params.items())}\\n".encode())
    while quick == 0 and not os.path.exists(sys.argv[2] + ".go"):
        time.sleep(0.02)
    quick -= 1
    study.end(trial, [len(str(trial.params)) % 7])
    os.write(ledger, f"{trial.number} done {sorted(trial.params.items())}\\n".encode())
"""


def opened(path, space=SPACE, directions=("maximize",), says=None, prune_after=None):
    return Study(
        path,
        space,
        directions=directions,
        says={"network": "small"} if says is None else says,
        first={"seed": space.width(1.0)},
        prune_after=prune_after,
        seed=3,
    )


def never():
    raise AssertionError("there should be something to do")


@pytest.fixture(params=["journal", "database"])
def place(request, tmp_path, monkeypatch):
    """A study of either kind; in a database a trial without a sign of life is soon given up."""
    if request.param == "database":
        monkeypatch.setattr(shared, "SILENCE", 6)  # longer than a busy machine lets a process wait
        monkeypatch.setattr(shared, "BEAT", 1)
        return f"sqlite:///{tmp_path / 'study.db'}"
    return str(tmp_path / "study.log")


def worker(folder, trials, quick, place=None):
    """A process that ends so many trials at once; in the next one it stays until it may `go` on."""
    arguments = (place or str(folder / "study.log"), str(folder / "ledger"), str(trials), str(quick))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], cwd=ROOT, env=environment)


def begun(folder):
    ledger = folder / "ledger"
    return [line for line in ledger.read_text().splitlines() if " begun " in line] if ledger.exists() else []


def test_what_is_first_comes_first_and_counts(tmp_path):
    study = opened(tmp_path / "study.log")
    for number in range(4):
        trial = study.next(4, never)
        assert ("name" in trial.user_attrs) == (number == 0)
        study.end(trial, [0.5])
    assert study.next(4, never) is None
    assert study.trials()[0].params == SPACE.width(1.0)
    assert opened(tmp_path / "study.log").next(4, never) is None  # another process finds them done


def test_no_network_is_tried_twice_and_a_small_space_ends(tmp_path):
    space = Space(SPACE.seed, {**FEW, "kernel": ["table", 3], "layers": [0]})
    study = opened(tmp_path / "study.log", space)
    while (trial := study.next(1000, never)) is not None:
        study.end(trial, [1.0])
    tried = [tuple(sorted(t.params.items())) for t in study.trials() if t.state in FINISHED]
    assert len(tried) == len(set(tried)) == space.count == 8


def test_what_is_drawn_does_not_depend_on_kills(tmp_path):
    networks = []
    for name, lives in (("one.log", [6]), ("two.log", [2, 4, 6])):
        for trials in lives:  # of one process, or of three, one behind the other
            study = opened(tmp_path / name)
            while (trial := study.next(trials, never)) is not None:
                study.end(trial, [len(str(trial.params)) % 7])
        networks.append([trial.params for trial in study.trials()])
        assert all(trial.state == TrialState.COMPLETE for trial in study.trials())  # no network was drawn again
    assert networks[0] == networks[1]


def test_hopeless_trials_are_pruned_and_count(tmp_path):
    study = opened(tmp_path / "study.log", prune_after=2)
    for number in range(5):
        trial = study.next(5, never)
        trial.report(1.0 if number < 4 else 0.1, 1)
        assert not trial.should_prune()  # not before its second epoch
        trial.report(1.0 if number < 4 else 0.1, 2)
        assert trial.should_prune() == (number == 4)
        study.end(trial, [1.0] if number < 4 else None)
    assert study.trials()[-1].state == TrialState.PRUNED
    assert study.next(5, never) is None


def test_killed_in_the_middle_nothing_is_lost_or_run_twice(tmp_path, place):
    first = [worker(tmp_path, 14, 1, place) for _ in range(2)]
    wait_until(lambda: len(begun(tmp_path)) == 4)  # each stays in its second
    for process in first:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = opened(place).trials()
    interrupted = [t.params for t in before if t.state == TrialState.RUNNING and len(t.params) == len(SPACE.choices)]
    assert len(interrupted) == 2
    for process in [worker(tmp_path, 14, -1, place) for _ in range(2)]:
        assert process.wait(LONG) == 0
    trials = opened(place).trials()
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.COMPLETE] == 14
    assert not states[TrialState.RUNNING] and not states[TrialState.WAITING]
    complete = [trial.params for trial in trials if trial.state == TrialState.COMPLETE]
    assert all(complete.count(params) == 1 for params in complete)
    assert all(params in complete for params in interrupted)


def test_a_trial_that_a_living_process_runs_is_left_to_it(tmp_path):
    other = worker(tmp_path, 2, 0)
    try:
        wait_until(lambda: begun(tmp_path))
        study = opened(tmp_path / "study.log")
        study.requeue()
        assert [trial.state for trial in study.trials()] == [TrialState.RUNNING]
        study.end(study.next(2, never), [1.0])
        rests = []

        def rest():
            rests.append(1)
            (tmp_path / "ledger.go").touch()
            time.sleep(0.05)

        assert study.next(2, rest) is None and rests, "it waits for the other"
    finally:
        other.kill()
        other.wait()


def test_a_trial_that_another_process_was_given_ends_the_training_and_not_the_search(tmp_path):
    study = opened(tmp_path / "study.log")
    candidates, begun = object.__new__(Candidates), []
    candidates.study, candidates.settings = study, SimpleNamespace(trials=2)

    def try_network(trial):
        begun.append(trial.number)
        if len(begun) == 1:  # as another process does after a long silence
            study.study.tell(trial.number, state=TrialState.FAIL)
        trial.report(0.5, 1)
        study.end(trial, [0.5])

    candidates.try_network = try_network
    candidates.try_all(never, lambda: None)
    assert begun == [0, 1, 2] and [trial.state for trial in study.trials()].count(TrialState.COMPLETE) == 2


def test_a_half_line_of_a_killed_process_is_cut_off(tmp_path):
    path = tmp_path / "study.log"
    study = opened(path)
    study.end(study.next(3, never), [1.0])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "trial')
    study = opened(path)
    study.end(study.next(3, never), [2.0])
    assert [trial.values for trial in opened(path).trials()] == [[1.0], [2.0]]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_study_of_another_search_is_refused(tmp_path):
    opened(tmp_path / "study.log", says={"network": ["long"] * 100, "epochs": 3})
    with pytest.raises(UserError, match="of another search: epochs is 3 there, 5 here"):
        opened(tmp_path / "study.log", says={"network": ["long"] * 100, "epochs": 5})
    with pytest.raises(UserError, match="of another search: another network;"):
        opened(tmp_path / "study.log", says={"network": ["other"] * 100, "epochs": 3})


@pytest.mark.parametrize("content", ["not a journal\n", '{"op_code": 99}\n', "[1, 2]\n"])
def test_a_file_that_is_no_journal_is_refused(tmp_path, content):
    (tmp_path / "study.log").write_text(content)
    with pytest.raises(UserError, match=r"study.log is no journal of a study"):
        opened(tmp_path / "study.log")


def test_a_place_that_cannot_be_a_journal_is_named(tmp_path):
    (tmp_path / "studies").mkdir()
    with pytest.raises(UserError, match=r"^search.study=.*studies is no file: a journal, or a URL of sqlite"):
        opened(tmp_path / "studies")
    assert [path.name for path in tmp_path.iterdir()] == ["studies"], "no file of locks beside it"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^search.study=.*study.log: .*file: "):
        opened(tmp_path / "file" / "study.log")


@pytest.mark.parametrize("part", ["tables", "revision"])
def test_processes_make_a_database_together(part, tmp_path, monkeypatch):
    """Each looks whether something is there, and makes it; in between another process has made it."""
    from optuna.storages._rdb.models import BaseModel
    from optuna.storages._rdb.storage import _VersionManager
    from sqlalchemy.exc import IntegrityError

    where, name = (BaseModel.metadata, "create_all") if part == "tables" else (_VersionManager, "_set_alembic_revision")
    make, made = getattr(where, name), []

    def after_another(*words):
        made.append(1)
        make(*words)
        if len(made) == 1 and part == "tables":
            make(*words, checkfirst=False)
        elif len(made) == 1:
            raise IntegrityError("", None, ValueError("UNIQUE constraint failed: alembic_version.version_num"))

    monkeypatch.setattr(where, name, after_another)
    assert opened(f"sqlite:///{tmp_path / 'study.db'}").trials()
    assert len(made) == (2 if part == "tables" else 1)


def test_a_database_that_does_not_exist_is_told_from_a_missing_driver(monkeypatch):
    with pytest.raises(UserError, match=r"^search.study=foo://host/db: no such database: a file, sqlite:///<file>, "):
        shared.Database("foo://host/db")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"^search.study=postgresql\+psycopg://me@h/db: its driver psycopg is missing"):
        shared.Database("postgresql+psycopg://me@h/db")


def test_the_first_value_is_the_one_that_all_go_by(tmp_path):
    assert opened(tmp_path / "study.log").agreed("goal", 2.5) == 2.5
    assert opened(tmp_path / "study.log").agreed("goal", 2.6) == 2.5


def test_what_a_study_says_may_hold_tuples(tmp_path):
    opened(tmp_path / "study.log", says={"size": (32, 32)})
    opened(tmp_path / "study.log", says={"size": (32, 32)})
    check_same({"a": 1}, {"a": 1}, "search.study=study.log")
