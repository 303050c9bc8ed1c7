"""A file that was copied alone, or renamed, is used by the description inside it."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from tasks.checkpoint.embedded import read_inside
from tasks.checkpoint.manifest import read_manifest, sha256
from tasks.common.errors import UserError
from tasks.deploy.model import open_model

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)


def alone(made, folder, name):
    """The file, without model.json, under another name; with its .bin, where it has one."""
    folder.mkdir()
    source = made.folder / made.manifest["file"]
    for path in made.folder.glob("model.*"):
        if path.suffix != ".json":
            shutil.copy(path, folder / f"{name}{path.suffix}")
    return folder / f"{name}{source.suffix}"


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_a_file_alone_is_its_own_description(shipped, tmp_path, runtime):
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    made = shipped(runtime, "raw" if runtime == "torch" else "final")
    beside = json.loads((made.folder / "model.json").read_text())
    path = alone(made, tmp_path / "elsewhere", "street")
    manifest = read_manifest(path)
    assert manifest["file"] == path.name and manifest["sha256"][path.name] == sha256(path)
    assert manifest | {"file": beside["file"], "sha256": beside["sha256"]} == beside
    ours, theirs = (open_model(each, threads=1).predict(IMAGE) for each in (made.folder / beside["file"], path))
    for task, found in ours.items():
        for key, values in found.items():
            np.testing.assert_array_equal(theirs[task][key], values)

    shutil.copy(made.folder / "model.json", path.with_name("model.json"))
    assert read_manifest(path) == manifest, "a renamed file beside its model.json"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"describes {beside['file']}, not {path.name}|cut off or was changed"):
        read_manifest(path)


def test_a_file_beside_the_description_of_another(shipped, tmp_path):
    pytest.importorskip("onnxruntime")
    path = alone(shipped("onnx", "final"), tmp_path / "elsewhere", "street")
    other = json.loads((shipped("torch", "raw").folder / "model.json").read_text())
    path.with_name("model.json").write_text(json.dumps(other))
    assert read_manifest(path)["runtime"] == "onnx"


def test_a_changed_file_is_not_taken_for_another(shipped, tmp_path):
    """Renamed beside its description, and one weight changed: the description inside is the same."""
    onnx = pytest.importorskip("onnx")
    made = shipped("onnx", "final")
    path = alone(made, tmp_path / "elsewhere", "street")
    shutil.copy(made.folder / "model.json", path.with_name("model.json"))
    graph = onnx.load(path)
    graph.graph.doc_string = "changed"
    onnx.save(graph, path)
    with pytest.raises(UserError, match=r"street\.onnx is cut off or was changed"):
        read_manifest(path)


def test_weights_of_an_openvino_file_that_are_missing(shipped, tmp_path):
    pytest.importorskip("openvino")
    path = alone(shipped("openvino", "final"), tmp_path / "elsewhere", "street")
    path.with_suffix(".bin").unlink()
    with pytest.raises(UserError, match=r"street\.bin: no such file, though street\.xml needs it"):
        read_manifest(path)


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".tflite", ".param", ".pt2", ".pte"])
def test_what_holds_no_description(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    for content in (
        b"",
        b"x",
        b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"<a><b/></a>",
        b"PK\x05\x06" + bytes(18),
    ):
        path.write_bytes(content)
        assert read_inside(path) is None
        with pytest.raises(UserError, match=r"model\.json is missing beside it"):
            read_manifest(path)


def test_no_bytes_are_too_strange(shipped, tmp_path):
    pytest.importorskip("onnxruntime")
    content = (shipped("onnx", "final").folder / "model.onnx").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "model.onnx"
    for _ in range(200):
        changed = bytearray(content[: random.integers(len(content))] if random.random() < 0.5 else content)
        for place in random.integers(0, max(1, len(changed)), 20):
            if changed:
                changed[place] = random.integers(256)
        path.write_bytes(changed)
        read_inside(path)


def test_a_compressed_description_is_not_inflated(tmp_path):
    path = tmp_path / "model.pt2"
    for compression, content in (
        (zipfile.ZIP_STORED, '"' + "x" * 2**22 + '"'),
        *((kind, '{"a": 1}') for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)),
    ):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("model/extra/mobilevision", content)
        assert read_inside(path) is None
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/extra/mobilevision", '{"a": 1}')
    assert read_inside(path) == {"a": 1}


@pytest.mark.parametrize("name, where", [("encrypted", 8), ("unknown method", 10)])
def test_an_archive_that_zipfile_cannot_read(tmp_path, name, where):
    """The bytes lie in the central directory: flags and method."""
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/extra/mobilevision", '{"a": 1}')
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + where] = {"encrypted": 1, "unknown method": 77}[name]
    path.write_bytes(content)
    assert read_inside(path) is None
