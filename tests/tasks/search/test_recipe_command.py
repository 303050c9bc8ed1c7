"""search=recipe: its processes, its time, and the real command on a tiny data set."""

import csv
import math
import signal
import time
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from tasks.common.errors import Stopped, UserError
from tasks.search.arguments import with_minutes
from tasks.search.recipe.study import RecipeStudy
from tasks.search.recipe.trial import EndAtOnce, Pace
from tasks.search.recipe.trials import Search
from tasks.search.recipe.worker import End, Score, Worker
from tests.tasks.search.test_recipe_study import SPACE

TINY = (
    *("task=classify", "dataset=folders", "backbone=mobilenet_v3_small", "backbone.width=0.35", "head.hidden=0"),
    *("wants.skip_strides=2", "data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32", "data.batch_size=4"),
    *("data.workers=0", "trainer.accelerator=cpu", "search.sizes=null"),
)


class FakeWorker:
    """A process with prepared answers, which records the jobs that it was given."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        self.connection, self.theirs = Pipe()
        self.process = SimpleNamespace(join=lambda: None, exitcode=-9)

    def answer(self):
        """Take what was sent, and answer if there is something left to say; without answers the process is dead."""
        while self.theirs.poll():
            self.asked.append(self.theirs.recv())
            if self.answers:
                self.theirs.send(self.answers.pop(0))
            else:
                self.theirs.close()
                return


@pytest.fixture
def search(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.search.recipe.trials.epoch_batches", lambda *_: 10)
    space = SimpleNamespace(**vars(SPACE), pixels=lambda _point: 1.0)

    def make(**own):
        settings = SimpleNamespace(**{"minutes": None, "trials": 3, "epochs": 2, "workers": 1, "study": None, **own})
        study = RecipeStudy(tmp_path / "trials.log", space, {"seed": 0}, prune=True, seed=0, typed="")
        deadline = math.inf if settings.minutes is None else time.monotonic() + 60 * settings.minutes
        return Search(settings, None, None, space, study, tmp_path, deadline)

    return make


@pytest.fixture
def still(monkeypatch):
    """A clock that stands, so that all the time of a search is left."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0, sleep=time.sleep)
    monkeypatch.setattr("tasks.search.recipe.trials.time", clock)
    monkeypatch.setitem(globals(), "time", clock)


def run(search, *workers, more=()):
    """The search with these processes, and further ones for those that die."""
    spare, pool = list(more), list(workers)
    listen = search.listen

    def answered(*arguments):
        for worker in [*workers, *more]:
            if not worker.theirs.closed:
                worker.answer()
        listen(*arguments)

    search.listen = answered
    search.go(pool, lambda: spare.pop(0))
    return pool


def test_minutes_are_short_for_the_searchs():
    assert with_minutes(["search=recipe", "minutes=30"]) == ["search=recipe", "search.minutes=30"]


def test_as_many_trials_as_asked_each_told_whether_to_go_on(search, capsys):
    found = search()
    worker = FakeWorker(Score(1, 0.4), Score(2, 0.5), End("complete", 0.5), *[End("complete", 0.6)] * 2)
    run(found, worker)
    first, *rest = worker.asked
    assert (
        first.name == "0"
        and first.changes["trainer.max_epochs"] == 4
        and first.changes["trainer.limit_train_batches"] == 5
    )
    assert rest[:2] == [False, False] and [job.name for job in rest[2:]] == ["1", "2"]
    assert [outcome.score for outcome in found.study.outcomes()] == [0.5, 0.6, 0.6]
    assert "of 20 steps (2 epochs) each" in capsys.readouterr().out


def test_a_process_that_dies_is_a_failed_trial_and_is_replaced(search, capsys):
    found = search()
    spare = FakeWorker(End("complete", 0.6))
    pool = run(found, FakeWorker(End("complete", 0.5)), more=[spare])
    assert pool == [spare]
    assert [(outcome.state, outcome.reason) for outcome in found.study.outcomes()] == [
        ("complete", ""),
        ("failed", "its process ended with -9"),
        ("complete", ""),
    ]
    assert "failed    trial 1: its process ended with -9" in capsys.readouterr().out


def test_what_never_works_is_an_error(search, tmp_path):
    with pytest.raises(UserError, match=r"^the first 3 trials failed: no such thing \("):
        run(search(trials=9), FakeWorker(*[End("failed", None, "no such thing")] * 3))
    found = search(trials=9)  # what went well before is no such case
    assert found.study.known == 3


def test_the_pace_says_how_long_trials_are(search, still):
    found = search(epochs=None, minutes=10, trials=6)
    worker = FakeWorker(End("complete", pace=Pace(4.0, 0.5, 2.0)))
    found.has_time = lambda: False
    run(found, worker)
    assert worker.asked[0].changes is None
    # 95 of 100 s for each: 4 to start, 8 to score, 83 for 166 steps of half a second
    assert found.rung == pytest.approx(41.5, abs=0.2) and found.longest == pytest.approx(95, abs=0.2)
    del found.has_time
    assert found.has_time()
    assert search(epochs=None, minutes=99).has_length()  # when it goes on, they are as long


def test_processes_that_time_the_recipe_do_so_in_folders_of_their_own(search, still):
    """They write checkpoints of the same name, and each removes its folder's at the end."""
    done, failed = End("complete", pace=Pace(4.0, 0.5, 2.0)), End("failed", None, "no memory")
    with pytest.raises(UserError, match=r"^no memory \(.*/pace_2.log\)$"):
        run(search(epochs=None, minutes=10, workers=2), FakeWorker(done), FakeWorker(failed))
    found, workers = search(epochs=None, minutes=10, workers=2), [FakeWorker(done), FakeWorker(done)]
    found.has_time = lambda: False
    run(found, *workers)
    assert [worker.asked[0].name for worker in workers] == ["pace", "pace_2"]


@pytest.mark.parametrize(("trials", "share"), [(2, 1), (4, 1), (5, 2)])
def test_no_trial_is_longer_than_the_time(search, still, trials, share):
    found = search(epochs=None, minutes=10, trials=trials, workers=4)
    found.take_pace(Pace(4.0, 0.5, 2.0))
    assert found.longest == pytest.approx(0.95 * 600 / share, abs=0.5) and found.has_time()


@pytest.mark.parametrize(("trials", "workers", "taken"), [(16, 1, 5), (16, 2, 10), (3, 1, 3), (5, 1, 5), (16, 8, 16)])
def test_trials_that_would_hardly_train_are_fewer(search, still, capsys, trials, workers, taken):
    """12 s of each are lost; in 95 % of 130 s, five in a row train as long or longer."""
    found = search(epochs=None, minutes=130 / 60, trials=trials, workers=workers)
    found.take_pace(Pace(4.0, 0.5, 2.0))
    assert found.longest == pytest.approx(0.95 * 130 / -(-taken // workers), abs=0.5)
    said = f"trials    {taken} instead of {trials}, which would start and score longer than train"
    assert (said in capsys.readouterr().out) == (taken < trials)


def test_too_little_time_is_refused(search, still):
    with pytest.raises(
        UserError, match=r"^minutes=0.5 leave 9.5 s for each of 3 trials, which take 4.0 s to start and 4"
    ):
        run(search(epochs=None, minutes=0.5), FakeWorker(End("complete", pace=Pace(4.0, 0.5, 2.0))))
    # 3 trials of 4 s to start and 4 · (2 + 0.5) s, in 95 % of the time: 44.2 s
    with pytest.raises(UserError, match=r"to score: minutes=1 or more, or fewer search.trials"):
        run(search(epochs=None, minutes=0.5), FakeWorker(End("complete", pace=Pace(4.0, 0.5, 2.0))))
    with pytest.raises(UserError, match=r"each of 4 trials.* to score: minutes=1 or more"):  # 59 s
        run(search(epochs=None, minutes=0.5, trials=30), FakeWorker(End("complete", pace=Pace(4.0, 0.5, 2.0))))
    assert "minutes=51 or more for 16 trials" in search(minutes=3, trials=16).nothing_timed()
    with pytest.raises(UserError, match=r"^scheduler.milestones: no .*pace.log"):
        run(search(epochs=None, minutes=5), FakeWorker(End("failed", None, "scheduler.milestones: no")))


def test_a_time_in_which_no_step_is_timed_is_refused(search):
    with pytest.raises(UserError, match=r"^search.minutes=0.001 are over before a step could be timed: minutes=1 or"):
        search(epochs=None, minutes=0.001).go([FakeWorker()], None)


def test_the_clock_ends_the_search(search):
    found = search(minutes=10)
    found.longest = 60.0
    assert found.has_time()
    found.deadline = time.monotonic() + 50
    assert not found.has_time()  # another would not end in time
    found.longest, found.deadline = 0.0, time.monotonic() + 0.2
    silent = FakeWorker()
    found.go([silent], None)  # it trains on and on
    assert found.busy and math.isfinite(found.deadline)
    assert found.study.outcomes() == []


def test_a_search_finds_a_recipe_that_trains_and_goes_on(command, folders, tmp_path):
    arguments = (*TINY, "search=recipe", f"dataset.root={folders}", "search.holdout=0.34", "search.epochs=2")
    folder = tmp_path / "run"
    result = command("search", *arguments, "minutes=null", "search.trials=2", f"hydra.run.dir={folder}")
    assert result.status == 0, result.err
    assert "scored    on 4 training images held out of 12; never on val" in result.out
    assert "2 to the end, 0 ended early, 0 failed" in result.out
    result = command(
        *("search", *arguments, "minutes=null", "search.trials=3", "optimizer.lr=1e9", f"hydra.run.dir={folder}")
    )
    assert result.status == 2 and "is of another search: optimizer.lr is " in result.err
    first, folder = folder, tmp_path / "other"  # as of another machine, which has the images elsewhere
    elsewhere = [word for word in arguments if not word.startswith("dataset.root=")]
    elsewhere += [f"dataset.root={folders.rename(folders.with_name('elsewhere'))}", f"hydra.run.dir={folder}"]
    shared = (f"search.study={first / 'trials.log'}", "search.trials=3")
    result = command("search", *elsewhere, "minutes=null", *shared)
    folders.with_name("elsewhere").rename(folders)
    assert result.status == 0, result.err
    assert f"goes on   after 2 trials in {first / 'trials.log'}" in result.out and "3 to the end" in result.out
    assert not (folder / "trials.log").exists()
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1", "2"] and rows[0]["state"] == "complete"
    assert (folder / "search.png").stat().st_size > 1000
    result = command(
        *("classify", "--config-dir", str(folder / "conf"), "experiment=found", f"dataset.root={folders}"),
        *(word for word in TINY if not word.startswith(("task=", "search."))),
        *("trainer.max_epochs=1", "pictures=0", f"hydra.run.dir={tmp_path / 'trained'}"),
    )
    assert result.status == 0, result.err


def test_a_process_is_asked_to_end_once():
    """The second SIGTERM would end a training at once, which leaves the semaphores of its data workers behind."""
    calls = []
    worker = object.__new__(Worker)
    worker.asked, worker.connection = False, SimpleNamespace(close=lambda: calls.append("close"))
    worker.process = SimpleNamespace(
        terminate=lambda: calls.append("terminate"), join=lambda *_: calls.append("join"), is_alive=lambda: False
    )
    worker.ask_to_end()
    worker.stop()
    assert calls == ["terminate", "close", "join"]


def test_a_signal_ends_a_trial_while_it_waits_for_a_batch():
    before = signal.getsignal(signal.SIGTERM)
    try:
        EndAtOnce().on_train_start(None, None)
        with pytest.raises(Stopped, match="SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "a second one changes nothing"
    finally:
        signal.signal(signal.SIGTERM, before)
