"""What a page says of an exported file, also where model.json is somebody else's."""

import json

import pytest

from tasks.common.errors import UserError
from tasks.report.exported import exported

MANIFEST = {
    "file": "model.xml",
    "runtime": "openvino",
    "precision": "fp16",
    "outputs": "raw",
    "input": {"type": "uint8", "batch": 1, "height": 96, "width": 192},
    "tasks": {"segment": {"classes": ["a", "b"]}, "odd": 3},
    "versions": {"torch": "2.15.0", "openvino": "2026"},
    "checkpoint": {"name": "best.ckpt"},
    "sha256": {"model.xml": "12ab"},
}


def write(folder, manifest):
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def test_all_files_of_a_format_count(tmp_path):
    assert exported(tmp_path, "segment", None) == {}
    (tmp_path / "model.xml").write_bytes(b"12345")
    (tmp_path / "model.bin").write_bytes(b"12")
    assert exported(write(tmp_path, MANIFEST), "segment", "outputs/my file") == {
        "file": "model.xml",
        "bytes": 7,
        "runtime": "openvino",
        "precision": "fp16",
        "outputs": "raw",
        "input": "96×192 (height×width), uint8, batch 1",
        "heads": "segment, 2 classes; odd",
        "checkpoint": "best.ckpt",
        "versions": "torch 2.15.0, openvino 2026",
        "sha256": "12ab",
        "page": None,
        "predict": "python -m tasks.segment mode=predict model='outputs/my file/model.xml' input=photos",
    }
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").touch()
    found = exported(tmp_path, None, None)
    assert (found["page"], found["predict"]) == ("python -m tasks.page '<this folder>/page'", None)


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", 3, None, ""])
def test_no_file_elsewhere_is_looked_at(tmp_path, file):
    assert exported(write(tmp_path, MANIFEST | {"file": file}), "segment", None) == {}


def test_odd_entries_do_no_harm(tmp_path):
    odd = {"file": "model.onnx", "input": [], "tasks": [], "versions": "x", "sha256": 1, "checkpoint": None}
    found = exported(write(tmp_path, odd), "segment", None)
    assert (found["bytes"], found["heads"], found["versions"], found["sha256"]) == (0, "", "", None)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.json cannot be read"):
        exported(tmp_path, "segment", None)
