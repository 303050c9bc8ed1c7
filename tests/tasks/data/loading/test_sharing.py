"""Batches arrive whole where shared memory is full and where no worker can be started."""

import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest
import torch
from torch.utils.data import Dataset

from tasks.common.console import stop_on_signals
from tasks.common.errors import Stopped
from tasks.data.loading import sharing
from tasks.data.loading.datamodule import start_worker
from tasks.data.loading.sharing import ByValue, Waiting, WorkerLoader, lost_worker, shareable
from tests.patience import wait_until


class Batches(Dataset):
    def __getitem__(self, index):
        images = torch.arange(2 * 5 * 7 * 3, dtype=torch.uint8).view(2, 5, 7, 3).permute(0, 3, 1, 2) + index
        return {"image": images, "places": (torch.ones(2, 4), torch.zeros(2, 2)), "name": ["a", "b"], "n": index}

    def __len__(self):
        return 2


def load(workers):
    return list(
        WorkerLoader(
            Batches(), batch_size=None, collate_fn=shareable, num_workers=workers, persistent_workers=workers > 0
        )
    )


def assert_whole(batches):
    for index, batch in enumerate(batches):
        expected = Batches()[index]
        assert torch.equal(batch["image"], expected["image"]) and batch["image"].stride() == expected["image"].stride()
        assert torch.equal(batch["places"][0], torch.ones(2, 4)) and batch["n"] == index
        batch["image"] += 1  # it can be written to


def full(*_):
    raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")


def test_a_full_shared_memory_costs_time_alone(monkeypatch, capsys):
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # workers are forked: they have it, too
    sharing.tell_full.cache_clear()
    batches = load(1)
    assert_whole(batches)
    out = capsys.readouterr().out
    assert out.count("is full: batches come by slower pipes") == 1 and "--shm-size" in out


def test_another_failure_is_told(monkeypatch):
    def fail(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(torch.Tensor, "share_memory_", fail)
    with pytest.raises(RuntimeError, match="something else"):
        load(1)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("can't start new thread")])
def test_no_workers_are_done_without(monkeypatch, capsys, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(multiprocessing.Process, "start", fail)
    monkeypatch.setattr(multiprocessing.context.Process, "start", fail)
    assert_whole(load(2))
    assert f"no data workers: {error}; going on without (data.workers=0)" in capsys.readouterr().out


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2), (2, 0, 3, 1)])
def test_a_tensor_by_value_keeps_its_layout(axes, monkeypatch):
    monkeypatch.setattr(sharing, "tell_full", lambda: None)
    tensor = torch.randn(2, 3, 4, 5).permute(axes)
    copy = pickle.loads(pickle.dumps(ByValue(tensor)))
    assert torch.equal(copy, tensor) and copy.stride() == tensor.stride()


class Hanging(Batches):
    def __getitem__(self, index):
        if index == 1:
            time.sleep(600)
        return super().__getitem__(index)


@pytest.fixture
def during_a_wait():
    """Does something in a thread as soon as the main thread waits for a batch."""
    threads = []

    def do(what, *words):
        def wait():
            wait_until(lambda: Waiting.since is not None)
            what(*words)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield do
    for thread in threads:
        thread.join()


def test_a_stop_does_not_wait_for_a_worker_that_hangs(during_a_wait, monkeypatch):
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 30)  # instead of 5 s
    loader = WorkerLoader(
        Hanging(), batch_size=None, collate_fn=shareable, num_workers=2, worker_init_fn=start_worker,
        persistent_workers=True,
    )  # fmt: skip
    batches = iter(loader)
    next(batches)
    assert Waiting.since is None
    begin = time.monotonic()
    with pytest.raises(Stopped), stop_on_signals():
        during_a_wait(os.kill, os.getpid(), signal.SIGTERM)
        next(batches)
    del batches, loader
    left = [child for child in multiprocessing.active_children() if child.is_alive()]
    for child in left:
        child.kill()
    assert time.monotonic() - begin < 25, "PyTorch waits for its interval"
    assert not left


@pytest.mark.parametrize("handled", [True, False])
def test_a_killed_worker_is_named(handled, during_a_wait, monkeypatch):
    """By PyTorch's handler of SIGCHLD, and without it: Lightning puts back the one from before a `fit`."""
    loader = WorkerLoader(Hanging(), batch_size=None, collate_fn=shareable, num_workers=1)
    batches = iter(loader)
    next(batches)
    before = signal.getsignal(signal.SIGCHLD)
    if not handled:
        patience = "torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data.__defaults__"
        monkeypatch.setattr(patience, (0.2,))  # instead of 5 s
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (worker,) = multiprocessing.active_children()
    with pytest.raises(RuntimeError) as error:
        during_a_wait(worker.kill)
        next(batches)
    signal.signal(signal.SIGCHLD, before)
    said = lost_worker(error.value)
    assert said.startswith(f"data worker {worker.pid} was ended by a signal (Killed): often the memory has run out")
    assert "data.workers=0" in said
    assert lost_worker(RuntimeError("Caught KeyError in DataLoader worker process 0.")) == ""
    bus = "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that"
    assert lost_worker(RuntimeError(bus)).endswith("or fewer data.workers would help")
