"""No scenes are drawn into a folder that was meant as own data, and no message says to remove it."""

import sys
from pathlib import Path

import pytest

from tasks.app.rehearsal import rehearse
from tasks.common.errors import UserError
from tasks.compare.__main__ import main
from tasks.data.streets.dataset import Streets
from tasks.multitask.compare import compare, parse

SMALL = ("dataset.train=2", "dataset.val=2", "dataset.height=64", "dataset.width=64")


@pytest.fixture(params=["photos", "empty", "gone"])
def root(request, tmp_path) -> Path:
    """Own images, an empty folder, and one that is not there."""
    folder = tmp_path / request.param
    if request.param != "gone":
        folder.mkdir()
    if request.param == "photos":
        (folder / "a.jpg").write_bytes(b"photo")
    return folder


WHAT = {
    "photos": "has other files than scenes; dataset=streets, the default, generates scenes: for your own images add {}",
    "empty": "is empty; dataset=streets, the default, generates scenes: for your own images add {}, or for new scenes",
    "gone": "does not exist; dataset=streets, the default, generates scenes: for your own images add {}, or for new",
}


@pytest.mark.parametrize("words", [("segment",), ("search", "search=recipe", "task=segment")])
def test_a_typed_folder_gets_no_scenes_by_the_default(command, root, tmp_path, words):
    result = command(*words, f"dataset.root={root}", f"hydra.run.dir={tmp_path / 'run'}")
    auto = f"dataset=auto dataset.root={root}"
    assert result.status == 2 and "drawing" not in result.out and "remove" not in result.err
    assert result.err.startswith(f"error: dataset.root={root} {WHAT[root.name].format(auto)}"), result.err
    assert result.err.count("\n") == 1 and not (tmp_path / "run").exists()
    assert not root.exists() or [path.name for path in root.iterdir()] == ["a.jpg"] * (root.name == "photos")


def test_comparisons_refuse_it_before_a_process_starts(root, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.common.trainings.start", lambda *_: pytest.fail("a process was started"))
    monkeypatch.setattr("tasks.common.processes.start", lambda *_: pytest.fail("a process was started"))
    with pytest.raises(UserError, match="for your own images add dataset=auto"):
        compare(parse(["minutes=1", f"dataset.root={root}", f"output={tmp_path / 'out'}"]))
    monkeypatch.setattr(sys, "argv", ["compare", "--data", "0.5,1", "segment", f"dataset.root={root}"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert not (tmp_path / "out").exists() and not (tmp_path / "outputs").exists()


def test_scenes_are_drawn_where_they_are_asked_for(tmp_path):
    for number, words in enumerate((("dataset=streets", *SMALL), SMALL)):
        root = tmp_path / f"streets{number}"
        rehearse("segment", [*words, f"dataset.root={root}"])
        assert (root / "streets.json").is_file()
    rehearse("segment", [f"dataset.root={root}", *SMALL])  # they are there


def test_own_data_is_opened_once(folders, tmp_path):
    rehearse("classify", ["dataset=auto", f"dataset.root={folders}"])
    for words, message in (
        (["dataset=folders", f"dataset.root={tmp_path / 'gone'}"], "no data set at"),
        (["dataset=folders", f"dataset.root={folders}", "optimizer.lr=-1"], "optimizer.lr=-1"),
        (["dataset=folders", f"dataset.root={folders}", "optimizer.lrr=1"], "optimizer.lrr: no such key"),
        (["dataset=foldes"], "dataset=foldes: no such option"),
    ):
        with pytest.raises(UserError, match=f"^{message}"):
            rehearse("classify", words)


def test_other_files_are_named_before_anything_is_drawn(tmp_path, capsys):
    (tmp_path / "a.jpg").touch()
    few = {"train": 2, "val": 2, "height": 64, "width": 64, "seed": 0}
    with pytest.raises(
        UserError, match=r"holds other files, such as a\.jpg; dataset=streets generates scenes"
    ) as caught:
        Streets(tmp_path, **few)
    assert "remove" not in str(caught.value) and capsys.readouterr().out == ""
    Streets(tmp_path / "new", **few)
    assert capsys.readouterr().out.startswith("drawing 4 street scenes into")
    with pytest.raises(UserError, match="has street scenes of other settings: train=2, not 3; dataset=streets"):
        Streets(tmp_path / "new", **{**few, "train": 3})
    assert capsys.readouterr().out == ""
