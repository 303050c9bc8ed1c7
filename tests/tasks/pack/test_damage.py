"""Damaged, truncated, missing and crafted files of a packed data set: one line that names the file; nothing is run."""

import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.packed.dataset import Packed


@pytest.fixture
def packed(pack, folders, tmp_path):
    result = pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'packed'}")
    assert result.status == 0, result.err
    return tmp_path / "packed"


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def rewrite(packed: Path, **columns) -> None:
    """Change columns of val, and the index so that it names the new file."""
    with np.load(packed / "val.npz") as file:
        arrays = dict(file) | columns
    np.savez(packed / "val.npz", **{name: array for name, array in arrays.items() if array is not None})
    adopt(packed)


def adopt(packed: Path) -> None:
    """Make the index name val.npz as it is."""
    index, content = json.loads((packed / "index.json").read_text()), (packed / "val.npz").read_bytes()
    index["splits"]["val"]["columns"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (packed / "index.json").write_text(json.dumps(index))


def test_missing_truncated_and_changed_shards_are_named(packed):
    shard = packed / "val-000000.tar"
    whole = shard.read_bytes()
    assert list(Packed(packed).val().check()) == [None] * 9
    for content, message in (
        (whole[:5000], f"{shard}: it has 5,000 bytes of {len(whole):,}: copy the shard again"),
        (None, f"{shard}: it is missing"),
    ):
        if content is None:
            shard.unlink()
        else:
            shard.write_bytes(content)
        val = Packed(packed).val()
        with pytest.raises(UserError, match=message):
            val.read(0)
        assert [message in str(problem) for problem in val.check()] == [True] * 9
    shard.write_bytes(whole[:600] + bytes(8) + whole[608:])  # the same size
    assert "its SHA-256 differs" in str(next(iter(Packed(packed).val().check())))


def test_a_training_says_so_in_one_line(packed, command, tmp_path):
    (packed / "train-000000.tar").write_bytes(b"")
    result = command("classify", "dataset=packed", f"dataset.root={packed}", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and "train-000000.tar: it has 0 bytes of" in result.err.splitlines()[-1]


def test_pickles_are_refused(packed, tmp_path):
    marker = tmp_path / "was_run"
    rewrite(packed, label=np.array([Attack(marker)] * 9, object))
    with pytest.raises(UserError, match=r"is damaged or not of tasks\.pack: Object arrays cannot be loaded"):
        Packed(packed).val()
    (packed / "val.npz").write_bytes(pickle.dumps(Attack(marker)))
    adopt(packed)
    with pytest.raises(UserError, match=r"is damaged or not of tasks\.pack: File is not a zip file"):
        Packed(packed).val()
    assert not marker.exists()


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(packed):
    np.savez_compressed(packed / "val.npz", label=np.zeros(10**6, np.int64))
    adopt(packed)
    with pytest.raises(UserError, match="it is compressed"):
        Packed(packed).val()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": None}, "lacks the column label"),
        ({"label": np.zeros(9, np.float32)}, r"label is float32 \(9,\), not int64 \(9,\)"),
        ({"label": np.full(9, 3)}, "label has the class 3, of 3"),
        ({"label": np.full(9, -1)}, "label has the class"),
        ({"offset": np.zeros(8, np.int64)}, r"offset is int64 \(8,\), not int64 \(9,\)"),
        ({"offset": np.full(9, 2**62)}, "a sample ends after the end of val-000000.tar"),
        ({"length": np.full(9, 2**62)}, "a sample ends after the end of val-000000.tar"),
        ({"offset": np.full(9, -512)}, "offset has a number below 0"),
        ({"offset": np.full(9, 2**62), "length": np.full(9, 2**62)}, "a sample ends after the end"),
        ({"name_ends": np.arange(10)}, "name_ends does not divide"),
        ({"names": np.uint8(0)}, r"names is uint8 \(\), not"),
        ({"sizes": np.zeros((9, 2), np.int64)}, "sizes has a side that is not from 1 to"),
        ({"sizes": np.full((9, 2), 10**12)}, "sizes has a side that is not from 1 to"),
    ],
)
def test_columns_that_cannot_be_are_refused(packed, columns, message):
    rewrite(packed, **columns)
    with pytest.raises(UserError, match=message):
        Packed(packed).val()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }", "Unable to allocate"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (1" + "0" * 30 + ",), }", "too large"),
        ("{'descr': ", "EOF in multi-line statement"),
        (None, "val.npz: label is no array"),
    ],
)
def test_arrays_that_numpy_cannot_read_are_refused(packed, header, message):
    with np.load(packed / "val.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "label"}
    np.savez(packed / "val.npz", **arrays)
    content = b"text"
    if header is not None:
        padded = header.encode().ljust(116) + b"\n"
        content = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    with zipfile.ZipFile(packed / "val.npz", "a") as file:
        file.writestr("label.npy", content)
    adopt(packed)
    with pytest.raises(UserError, match=message):
        Packed(packed).val()


@pytest.fixture
def boxes(pack, coco, tmp_path):
    assert pack("task=detect", "dataset=coco", f"dataset.root={coco}", f"out={tmp_path / 'packed'}").status == 0
    return tmp_path / "packed"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("boxes", np.nan, "boxes has a number that is not finite"),
        ("areas", np.inf, "areas has a number that is not finite"),
        ("image_ids", 7, "image_ids has a number twice"),
        ("box_sizes", 0, "box_sizes has a side"),
    ],
)
def test_boxes_that_cannot_be_are_refused(boxes, column, value, message):
    with np.load(boxes / "val.npz") as file:
        rewrite(boxes, **{column: np.full_like(file[column], value)})
    with pytest.raises(UserError, match=message):
        Packed(boxes).val()


@pytest.mark.parametrize("kind", ["boxes", "mask"])
def test_classes_have_the_form_of_their_task(boxes, kind):
    index = json.loads((boxes / "index.json").read_text())
    index["classes"] = {kind: ["one", "two", "three"]}
    (boxes / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=f"class one of {kind}"):
        Packed(boxes).val()


def test_label_maps_of_more_classes_are_refused(pack, cityscapes, tmp_path):
    packed = tmp_path / "packed"
    assert pack("task=segment", "dataset=cityscapes", f"dataset.root={cityscapes}", f"out={packed}").status == 0
    index = json.loads((packed / "index.json").read_text())
    index["classes"]["mask"] = index["classes"]["mask"][:2]
    (packed / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"mask_pixels counts more classes than there are, 2"):
        Packed(packed).val()
    rewrite(packed, mask_pixels=np.zeros(256, np.int64))  # which was only believed
    with pytest.raises(UserError, match=r"val-000000\.tar/0\.mask\.png: it has other classes than the 2"):
        Packed(packed).val().read(0)


def test_no_file_is_waited_for(packed):
    for name in ("index.json", "val-000000.tar"):
        kept = (packed / name).read_bytes()
        (packed / name).unlink()
        os.mkfifo(packed / name)
        with pytest.raises(UserError, match=rf"{name}: not a regular file"):
            Packed(packed).val().read(0)
        (packed / name).unlink()
        (packed / name).write_bytes(kept)


def test_other_columns_than_the_index_names_are_refused(packed):
    with (packed / "val.npz").open("r+b") as file:
        file.seek(200)
        file.write(b"changed")
    with pytest.raises(UserError, match=r"val\.npz is not the file that index\.json names \(SHA-256\)"):
        Packed(packed).val()


def changed(index: dict, *keys: str | int, value: object) -> None:
    *way, last = keys
    for key in way:
        index = index[key]
    index[last] = value


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), 2, "version 2"),
        (("splits", "val", "shards", 0, "file"), "../../secret.tar", "file '../../secret.tar'"),
        (("splits", "val", "columns", "file"), "/etc/passwd", "file '/etc/passwd'"),
        (("splits", "val", "shards", 0, "sha256"), "x/../y", "sha256 'x/../y'"),
        (("splits", "val", "shards", 0, "bytes"), -1, "bytes -1"),
        (("splits", "val", "samples"), 10, "val has 9 samples in its shards"),
        (("splits", "val", "columns", "bytes"), 10**30, "bytes 10"),
        (("splits", "val"), None, "NoneType"),
        (("classes",), [], "has no attribute"),
        (("classes", "label"), "abc", "classes of label are no list"),
        (("classes",), {"pickle": ["a"]}, "classes of pickle"),
        (("classes", "label", 0), [1, 2], r"class \[1, 2\]"),
    ],
)
def test_an_index_that_cannot_be_is_refused(packed, keys, value, message):
    index = json.loads((packed / "index.json").read_text())
    changed(index, *keys, value=value)
    (packed / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=rf"index\.json is not an index of tasks\.pack.*{message}"):
        Packed(packed).val()


def test_no_memory_is_taken_for_a_number(packed):
    index = json.loads((packed / "index.json").read_text())
    index["splits"]["val"]["columns"]["bytes"] = 1 << 49
    (packed / "index.json").write_text(json.dumps(index))
    assert len(Packed(packed).val()) == 9


def test_other_roots_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"no packed data set, because index\.json is missing: no such folder"):
        _ = Packed(tmp_path / "nowhere").classes
    for root in ("file://x", "ftp://x/y", "simplecache::http://x/y", "http://x/y::z"):
        with pytest.raises(UserError, match="is neither a folder nor one of http://, https://, s3://, gs://…"):
            Packed(root)
    (tmp_path / "index.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"index\.json is not JSON"):
        _ = Packed(tmp_path).classes
    for limit in (0, float("inf")):
        with pytest.raises(UserError, match=rf"dataset\.cache_gb={limit} must be a number above 0"):
            Packed(tmp_path, cache_gb=limit)
