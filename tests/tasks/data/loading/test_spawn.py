"""Workers that are spawned, as on macOS and Windows: what they get pickles, arrays are mapped, batches are equal."""

import gc
import multiprocessing
import os
import pickle
import shlex
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.app.auto import recognised
from tasks.app.resolve import resolve
from tasks.data.files.texts import Texts
from tasks.data.loading import handing
from tasks.data.loading.batches import EvalDataset, InMemory
from tasks.data.loading.handing import Handed
from tasks.data.loading.samplers import TrainBatches
from tasks.data.loading.sharing import WorkerLoader
from tasks.data.loading.splits import Splits
from tasks.engine.build import build_data
from tasks.engine.instantiate import make
from tests.layouts.labels import write_folders
from tests.tasks.app.test_layouts import ROWS, WRITERS
from tests.test_config import configuration

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def worker():
    """One spawned process for all data sets: its imports take seconds."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def batches(dataset, draws):
    """What a loader would get, as arrays."""
    return {key: value for key, value in dataset[draws].items() if isinstance(value, torch.Tensor | list)}


def assert_equal(one, two):
    assert one.keys() == two.keys() and "image" in one
    for key, value in one.items():
        assert torch.equal(value, two[key]) if isinstance(value, torch.Tensor) else len(value) == len(two[key]), key


@pytest.mark.parametrize(("layout", "command"), ROWS, ids=[layout for layout, _ in ROWS])
def test_a_spawned_worker_makes_the_same_batch(layout, command, worker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (write,) = (writer for begin, writer in WRITERS.items() if layout.startswith(begin))
    write(tmp_path / "data")
    module, *words = shlex.split(command)
    task = module.removeprefix("tasks.")
    words = [
        word.replace("=data", f"={tmp_path / 'data'}") if ".root=" in word or ".data=" in word else word
        for word in words
    ]
    found = recognised(task, words)
    run = resolve(task, configuration(*found, task=task)).run
    run = run.changed(targets=["mask", "boxes"]) if task == "multitask" else run
    dataset = make(run.data.dataset, "dataset")
    data = build_data(run.data, run.seed, Splits(dataset.classes, dataset.train(), dataset.val()))
    draws = next(iter(TrainBatches(len(data.train), 2, seed=0)))
    for samples, chosen in ((data.augmented(), draws), (EvalDataset(data.val, data.fit), [0])):
        monkeypatch.setattr(handing, "SMALL", 1)  # every array by the file
        assert_equal(batches(samples, chosen), worker.submit(batches, Handed(samples), chosen).result(timeout=60))


class Arrays:
    """A data set of one array and one list of texts."""

    def __init__(self, length=5000):
        self.numbers, self.texts = np.arange(length), Texts([f"{number:09}" for number in range(length)])

    def __getitem__(self, index):
        return self.numbers[index], self.texts[index]


class One:
    """A data set of one image."""

    def __len__(self):
        return 1

    def read(self, index, view=None):
        return {"image": np.full((64, 64, 3), 7, np.uint8)}


def written():
    return sorted(Path(handing.tempfile.gettempdir()).glob(f"{handing.PREFIX}*"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(handing.tempfile, "tempdir", str(tmp_path))


def test_arrays_are_written_once_and_the_file_goes_with_the_data_set(place):
    handed = Handed(Arrays())
    one, two = pickle.dumps(handed), pickle.dumps(handed)
    assert len(written()) == 1 and len(one) < 500 and one == two
    here, there = pickle.loads(one), pickle.loads(two)
    assert type(here) is Arrays and here[4999] == (4999, "000004999")
    here.numbers[4999] = 7  # a worker's own copy of the page
    assert there[4999] == (4999, "000004999") and pickle.loads(one)[4999][0] == 4999
    del handed
    gc.collect()
    assert written() == []


def test_a_process_that_did_not_write_the_file_leaves_it(place):
    handed = Handed(Arrays())
    pickle.dumps(handed)
    (path,) = written()
    handing.remove(path, os.getpid() + 1)
    assert path.exists()


def test_without_room_each_worker_gets_a_copy(place, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handing.os, "fdopen", full)
    handed = Handed(Arrays())
    data = pickle.dumps(handed)
    assert len(data) > 5000 * 8 and pickle.loads(data)[4999] == (4999, "000004999")
    assert written() == []


def test_images_kept_in_memory_are_mapped_too(place):
    handed = Handed(InMemory(One()))
    data = pickle.dumps(handed)
    assert len(data) < 500 and written()[0].stat().st_size > 64 * 64 * 3
    assert (pickle.loads(data).read(0)["image"] == 7).all()


def test_forked_workers_get_the_data_set_itself():
    def loader(**options):
        return WorkerLoader(Arrays(), batch_size=None, sampler=[0], **options).dataset

    assert type(loader()) is type(loader(num_workers=1, start_method="fork")) is Arrays
    assert type(loader(num_workers=0, start_method="spawn")) is Arrays
    assert type(loader(num_workers=1, start_method="spawn")) is Handed


SPAWNED = """
import multiprocessing, sys
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    from tasks.app.cli import main
    from tasks.multitask.arguments import spelled_out
    name = sys.argv.pop(1)
    sys.argv[0] = f"tasks.{name}"
    main(name, spelled_out if name == "multitask" else list)
"""


@pytest.mark.parametrize("task", ["segment", "detect", "classify", "multitask"])
def test_the_command_line_where_processes_are_spawned(task, tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED, encoding="utf-8")
    words = [f"dataset.root={tmp_path / 'streets'}", "dataset.train=4", "dataset.val=2"]
    words += ["dataset.height=64", "dataset.width=96", "backbone=mobilenet_v3_small", "backbone.width=0.35"]
    words += ["data.workers=1", "data.batch_size=2", "trainer.accelerator=cpu", "trainer.max_epochs=1", "pictures=1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    folder = f"hydra.run.dir={tmp_path / 'run'}"
    command = [sys.executable, str(script), task, *words, "trainer.limit_train_batches=1", folder]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "metrics.json").is_file() and "Traceback" not in done.stderr
    assert not list(tmp_path.glob(f"{handing.PREFIX}*"))


def test_a_method_that_the_system_lacks_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.data.loading.settings.get_all_start_methods", lambda: ["spawn"])  # as on Windows
    write_folders(tmp_path / "data", "{split}/{name}/{file}")
    words = ["dataset=folders", f"dataset.root={tmp_path / 'data'}", "data.start_method=fork"]
    result = command("classify", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and "error: data.start_method=fork: this system has spawn" in result.err
