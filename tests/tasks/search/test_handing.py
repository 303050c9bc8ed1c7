"""A search's processes start at once: a data set of any size reaches them as the name of a file."""

import pickle
from contextlib import nullcontext
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.search.block import command
from tasks.search.narrow import trials

PIPE = 2**16  # bytes that a pipe takes before its reader reads, on Linux
SPLITS = {"train": [f"{number:09}.jpg" for number in range(20_000)]}


def test_processes_of_a_block_search(monkeypatch):
    sent = []
    monkeypatch.setattr(SpawnProcess, "start", lambda process: sent.append(pickle.dumps(process._args)))
    for name in ("join", "terminate", "kill"):
        monkeypatch.setattr(SpawnProcess, name, lambda *_: None)
    monkeypatch.setattr(SpawnProcess, "exitcode", 0)
    with command.workers("run", SimpleNamespace(workers=3), SPLITS, (32, 32), (Path("log"), Path("weights"))):
        assert [pickle.loads(each)[2] for each in sent] == [SPLITS, SPLITS]
    assert len(sent) == 2 and max(map(len, sent)) < PIPE < len(pickle.dumps(SPLITS))
    with pytest.raises(FileNotFoundError):  # removed with the block
        pickle.loads(sent[0])


def test_processes_of_netadapt(monkeypatch):
    made = []

    def pool(_count, _context, start):
        made.append(pickle.dumps(start))
        return nullcontext(SimpleNamespace(shutdown=lambda **_: None))

    monkeypatch.setattr(trials, "ProcessPoolExecutor", pool)
    own = SimpleNamespace(networks=SimpleNamespace(run="run", size=(32, 32)), settings="settings")
    with trials.workers(2, own, SPLITS):
        assert pickle.loads(made[0]).args == ("run", "settings", SPLITS, (32, 32))
    assert len(made[0]) < PIPE
