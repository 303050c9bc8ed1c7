"""Large packages are loaded without garbage collection, and it passes over them afterwards."""

import gc
import os
import sys

import pytest

from tasks.common.garbage import without_collection


@pytest.fixture
def collections():
    """How many collections there were, of any generation."""
    seen = []

    def note(phase, _info):
        if phase == "stop":
            seen.append(phase)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.unfreeze()
    gc.freeze()  # as conftest.py left it


def make():
    return [[] for _ in range(10 * gc.get_threshold()[0])]


def test_a_package_is_loaded_without_garbage_collection_which_passes_over_it(collections, monkeypatch):
    before = gc.get_freeze_count()
    with without_collection("a_large_package"):
        monkeypatch.setitem(sys.modules, "a_large_package", make())
        assert not collections
    assert gc.get_freeze_count() > before + 10 * gc.get_threshold()[0]
    rest = make()
    assert collections, "what is made later is looked through as ever"
    frozen = gc.get_freeze_count()
    with without_collection("a_large_package"):
        before = len(collections)
        rest += make()
    assert len(collections) > before and gc.get_freeze_count() <= frozen, "it is there already: nothing is kept"


def test_an_error_in_a_package_leaves_garbage_collection_on(collections):
    with pytest.raises(ImportError), without_collection("a_package_that_fails"):
        raise ImportError
    assert gc.isenabled()


@pytest.mark.parametrize("mode", [("mode=train",), ("mode=predict", "checkpoint=best.ckpt", "input=image.jpg")])
def test_commands_load_pytorch_so(command, folders, tmp_path, monkeypatch, mode):
    class Reached(Exception):
        """The command would import PyTorch and Lightning now."""

    def reach(package):
        raise Reached(package)

    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "best.ckpt").touch()
    image = next(folders.rglob("*.jpg"), None) or next(folders.rglob("*.png"))
    (tmp_path / "image.jpg").write_bytes(image.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tasks.app.runner.without_collection", reach)
    monkeypatch.setattr("tasks.app.runner.trained_by", lambda _path: None)
    with pytest.raises(Reached, match="lightning"):
        command("classify", *mode, "dataset=folders", f"dataset.root={folders}", f"hydra.run.dir={tmp_path / 'run'}")
    assert os.environ["GOMP_SPINCOUNT"] == "10000", "OpenMP reads it when PyTorch is loaded"
