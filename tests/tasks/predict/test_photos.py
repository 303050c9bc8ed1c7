"""index.csv is whole after every photo, whatever ends the run."""

import csv
import os
import signal

import numpy as np
import pytest
from PIL import Image

from backbones.terminal import print_anything
from tasks.common.console import stop_on_signals
from tasks.common.errors import Stopped, UserError
from tasks.data.files.images import find_images
from tasks.predict.index import Index
from tasks.predict.photos import predict_each


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (b"a.png", b"b.png", b"caf\xe9.png", b"d.png"):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / os.fsdecode(name))
    (folder / "b.png").write_bytes(b"nothing")
    return find_images(str(folder))


def test_the_index_grows_with_every_photo(photos, tmp_path):
    seen = []

    def predict_one(image, name):
        if seen:
            seen[-1] = rows(tmp_path / "index.csv")
        seen.append(None)
        (tmp_path / name).with_suffix(".txt").write_text("")
        return {"labels": str((tmp_path / name).with_suffix(".txt"))}, "line"

    print_anything()
    predict_each(photos, predict_one, tmp_path, upright=True)
    assert [len(done) for done in seen[:-1]] == [2, 3]
    last = rows(tmp_path / "index.csv")
    assert [row["status"] for row in last] == ["ok", "skipped", "ok", "ok"]
    assert list(last[0]) == ["image", "status", "height", "width", "labels", "reason"]
    assert last[2]["image"].endswith("caf\\udce9.png") and last[2]["labels"].endswith("caf\\udce9.txt")
    assert (tmp_path / os.fsdecode(b"caf\xe9.txt")).exists()
    assert not list(tmp_path.glob(".index*"))


def test_a_signal_leaves_the_lines_that_are_done(photos, tmp_path):
    def predict_one(_image, name):
        if name.name == "d":
            os.kill(os.getpid(), signal.SIGTERM)
        return {}, ""

    with pytest.raises(Stopped, match="SIGTERM"), stop_on_signals():
        predict_each(photos, predict_one, tmp_path, upright=True)
    assert [row["status"] for row in rows(tmp_path / "index.csv")] == ["ok", "skipped", "ok"]


def test_a_refused_photo_leaves_the_lines_that_are_done(photos, tmp_path):
    def predict_one(_image, name):
        if name.name == "d":
            raise UserError("too small")
        return {}, ""

    with pytest.raises(UserError, match=r"d\.png: too small"):
        predict_each(photos, predict_one, tmp_path, upright=True)
    assert len(rows(tmp_path / "index.csv")) == 3


def test_an_index_replaced_for_a_column_is_never_gone(tmp_path, monkeypatch):
    index = Index(tmp_path / "index.csv")
    index.add({"image": "a"})
    before = index.path.read_bytes()

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="full"):
        index.add({"image": "b", "reason": "new"})
    assert index.path.read_bytes() == before
