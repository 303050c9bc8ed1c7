"""The cache of parsed files: read again, made again when something changed, never trusted."""

import os

import numpy as np

from tasks.data.files import cache
from tasks.data.files.array_file import read_arrays, write_arrays
from tasks.data.files.cache import cached, stamp, stamps


def test_arrays_are_kept_until_a_source_changes(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    source, calls = tmp_path / "a.txt", []

    def make():
        calls.append(1)
        return {"numbers": np.arange(3), "texts": np.frombuffer(b"abc", np.uint8)}

    def read(kind="test 1"):
        return cached(kind, [stamp(source)], make)

    source.write_text("1")
    assert (read()["numbers"] == [0, 1, 2]).all() and bytes(read()["texts"]) == b"abc" and len(calls) == 1
    source.write_text("12")
    assert len(read()) == 2 and len(calls) == 2, "another size"
    os.utime(source, ns=(1, 1))
    assert read() and len(calls) == 3, "another time"
    assert read("test 2") and len(calls) == 4, "another parser"
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert (read()["numbers"] == [0, 1, 2]).all() and len(calls) == 5, "a damaged file is made again"
    assert not list((tmp_path / "cache").glob(".new-*"))


def test_a_file_with_objects_is_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    cached("test", [], lambda: {"a": np.arange(2)})
    (file,) = tmp_path.glob("*.npz")
    with file.open("wb") as opened:
        np.savez(opened, a=np.array([print, {}], dtype=object))
    assert (cached("test", [], lambda: {"a": np.arange(2)})["a"] == [0, 1]).all()


def test_a_changed_byte_raises_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    cached("test", [], lambda: {"a": np.arange(2)})
    (file,) = tmp_path.glob("*.npz")
    content, damaged = file.read_bytes(), 0
    for place in range(len(content)):
        for value in (content[place] ^ 1, ord("(")):
            file.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            damaged += cache.kept(file) is None
    assert damaged > len(content), "headers, and the list at the end"


def test_arrays_are_the_pages_of_the_file(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "rows": np.arange(6000.0).reshape(2, 3000),
        "columns": np.asfortranarray(np.eye(70)),
        "none": np.zeros((0, 4)),
    }
    with path.open("wb") as file:
        write_arrays(file, arrays)
    with np.load(path, allow_pickle=False) as found:
        assert all(np.array_equal(found[key], array) for key, array in arrays.items())
    ours = read_arrays(path)
    assert all(np.array_equal(ours[key], array) and ours[key].shape == array.shape for key, array in arrays.items())
    assert ours["rows"].ctypes.data % 64 == ours["columns"].ctypes.data % 64 == 0
    ours["rows"][0, 0] = 7  # a page of its own
    path.rename(tmp_path / "old")
    path.write_bytes(b"another")
    assert ours["rows"][1, 2999] == 5999 and read_arrays(tmp_path / "old")["rows"][0, 0] == 0


def test_without_a_cache(tmp_path, monkeypatch):
    for place in ("off", str(tmp_path / "file")):
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv(cache.VARIABLE, place)
        assert (cached("test", [], lambda: {"a": np.arange(2)})["a"] == [0, 1]).all()
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "mobilevision"


def test_old_files_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    monkeypatch.setattr(cache, "KEPT", 3)
    for number in range(5):
        cached("test", [("a", number, 0)], lambda: {"a": np.arange(2)})
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_stamps_are_those_of_the_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.jpg"):
        (tmp_path / name).write_text(name)
    assert stamps(tmp_path, ".txt") == [stamp(tmp_path / "a.txt"), stamp(tmp_path / "b.txt")]
