"""Exported files in their runtimes give what the network gives, in every form; what cannot be opened says so."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from heads.boxes import Places
from tasks.checkpoint.embedded import READERS
from tasks.checkpoint.manifest_rules import SUFFIXES
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy import decode
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.network import trace
from tasks.deploy.runners.opening import RUNNERS, open_runner
from tasks.deploy.runners.runner import Runner
from tasks.deploy.runtimes import EXTRAS
from tasks.deploy.shapes import check_outputs
from tasks.deploy.writers.by_format import WRITERS
from tests.tasks.deploy.conftest import SIZE, network, noise, settings, ship, tensors

ROOT = Path(__file__).parents[3]
FILES = [  # what is decoded is part of what is final; onnx's raw file is scored in test_export.py
    *(("torch", form) for form in ("raw", "decoded", "final")),
    *(("onnx", form) for form in ("decoded", "final")),
    *(("openvino", form) for form in ("raw", "final")),
    ("litert", "final"),
    ("ncnn", "raw"),
    ("coreml", "final"),
]
ANY_SIZE = ("heads=[segment]", "segment.head.pool_kernel=null")


def near(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the rounding of sums in another order; whole numbers but for ties."""
    assert got.shape == expected.shape and got.dtype == expected.dtype
    if got.dtype == np.float32:
        np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    else:
        assert (got == expected).mean() > 0.99


def all_near(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for name in got:
        near(got[name], expected[name])


def need(runtime: str) -> None:
    """Skip a test of a runtime that is not installed."""
    if runtime != "torch":
        pytest.importorskip({"litert": "litert_torch", "ncnn": "pnnx", "coreml": "coremltools"}.get(runtime, runtime))


@pytest.mark.parametrize(("runtime", "form"), FILES)
def test_a_file_gives_the_networks_tensors_and_predictions(shipped, runtime, form):
    need(runtime)
    made = shipped(runtime, form)
    images = noise(3, seed=7)  # the file takes one at a time
    got = made.runner.run(images.numpy())
    assert list(got) == made.runner.names and {name.split("_")[0] for name in got} == {"segment", "detect", "classify"}
    all_near(got, tensors(made, images, form))

    lie = Places(torch.tensor([[0.0, 0, SIZE[1], SIZE[0]]] * 3), torch.tensor([[64.0, 128]] * 3))
    file = ExportedLearner(made.learner, made.runner, made.manifest)
    with torch.inference_mode():
        ours, theirs = made.learner.predictions(images, lie), file.predictions(images, lie)
    same = (ours["segment"] == theirs["segment"]).float().mean()
    assert theirs["segment"].shape == (3, 64, 128) and same > (0.999 if form == "raw" else 0.85)  # enlarged by pixels
    for box, expected in zip(theirs["detect"], ours["detect"], strict=True):
        near(box.numpy(), expected.numpy())
    scores, expected = (found["classify"].softmax(1) for found in (theirs, ours))
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


def test_openvino_computes_an_fp16_file_in_fp16_where_it_can(shipped):
    openvino = pytest.importorskip("openvino")
    made = shipped("openvino", "raw")
    half = {**made.manifest, "precision": "fp16"}
    runner = open_runner(made.folder / "model.xml", half, threads=1)
    can = "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    computed = [one.model.get_property("INFERENCE_PRECISION_HINT").get_type_name() for one in (made.runner, runner)]
    assert computed == ["f32", "f16" if can else "f32"]
    images = noise(1, seed=7).numpy()
    got, exact = runner.run(images), made.runner.run(images)
    shipped_with_it = decode.runner(made.folder, half)(images)
    for name in exact:
        np.testing.assert_array_equal(got[name], shipped_with_it[name])
        np.testing.assert_allclose(
            got[name], exact[name], atol=0.1 * np.abs(exact[name]).max()
        )  # untrained: errors grow
        assert (got[name] != exact[name]).any() == can


def test_one_head_is_not_named_in_its_outputs(tmp_path):
    """ExecuTorch, which is slow to write, with the quickest of networks."""
    pytest.importorskip("executorch")
    learner, used = network("heads=[classify]", "export.format=executorch", "backbone.minimalistic=true")
    traced = trace(learner, batch=2, size=(32, 32))
    made = ship(tmp_path, learner, used.export, traced)
    assert made.runner.names == ["logits"] and made.manifest["file"] == "model.pte"
    images = noise(3, (32, 32))
    all_near(made.runner.run(images.numpy()), tensors(made, images, "raw"))

    path = made.folder / "model.pte"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"model\.pte cannot be opened: ") as refused:
        open_runner(path, made.manifest)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def of_any_size():
    """Segmentation as a graph that takes any number of images of any size."""
    learner, _ = network(*ANY_SIZE)
    return learner, trace(learner, batch=None, size=SIZE, any_size=True, form="decoded")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_any_number_of_images_of_any_size(of_any_size, runtime, tmp_path):
    need(runtime)
    learner, traced = of_any_size
    export = settings(*ANY_SIZE, f"export.format={runtime}", "export.outputs=decoded").export
    made = ship(tmp_path, learner, export, traced)
    assert made.runner.shape == traced.shape == (None, 3, None, None)
    for count, size in ((1, SIZE), (3, (80, 48)), (2, (65, 131))):
        images = noise(count, size)
        expected = tensors(made, images, "decoded")
        assert expected["labels"].shape == (count, *size) and len(np.unique(expected["labels"])) > 3
        all_near(made.runner.run(images.numpy()), expected)


def test_an_image_and_its_mirror_image(tmp_path):
    learner, used = network("heads=[classify]", "classify.task.mirror=true", "export.format=torch")
    made = ship(tmp_path, learner, used.export, trace(learner, batch=1, size=SIZE), Stretch(SIZE))
    images = noise(2)
    got = made.runner.run(images.numpy())
    all_near(got, tensors(made, images, "raw"))
    learner.task("classify").mirror = False
    with pytest.raises(AssertionError):
        all_near(got, tensors(made, images, "raw"))


class Doubling(Runner):
    """Two images at a time; gives each pixel's double."""

    names, shape = ["twice"], (2, 3, 4, 5)

    def of_batch(self, images):
        assert images.shape == self.shape and images.flags.c_contiguous
        return {"twice": 2 * images[:, 0, 0, 0].astype(int)}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_batches_are_filled_up_and_cut(count):
    images = np.arange(count, dtype=np.uint8).repeat(60).reshape(count, 4, 5, 3).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(Doubling().run(images)["twice"], 2 * np.arange(count))


@pytest.mark.parametrize(("size", "said"), [((6, 5), "6 pixels high.*takes 4"), ((4, 7), "7 pixels wide.*takes 5")])
def test_images_of_another_size_are_refused(size, said):
    with pytest.raises(UserError, match=said):
        Doubling().run(np.zeros((1, 3, *size), np.uint8))


@pytest.mark.parametrize("name", ["model.onnx", "model.xml", "model.bin", "model.pt2"])
def test_a_file_that_is_cut_off_is_refused_in_one_line(shipped, tmp_path, name):
    runtime = SUFFIXES[".xml" if name == "model.bin" else f".{name.split('.')[1]}"]
    need(runtime)
    made = shipped(runtime, "final")
    folder = shutil.copytree(made.folder, tmp_path / "copy")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cannot be opened: ") as refused:
        open_runner(folder / made.manifest["file"], made.manifest).run(noise(1).numpy())
    assert "\n" not in str(refused.value) and str(folder) in str(refused.value)


def test_every_format_has_its_entries():
    """What docs/architecture.md says of a new format."""
    assert list(WRITERS) == list(RUNNERS) == list(FORMATS)
    assert set(EXTRAS) == set(FORMATS) - {"torch"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(EXTRAS) <= set(extras) and {entry.suffix for entry in FORMATS.values()} >= set(READERS)
    comment = f"  format: onnx           # {' | '.join(FORMATS)}\n"
    assert comment in (ROOT / "conf/base.yaml").read_text(encoding="utf-8")


MISSING = {
    "onnx": ["onnxruntime"],
    "openvino": ["openvino"],
    "litert": ["ai_edge_litert.interpreter"],
    "ncnn": ["ncnn"],
    "executorch": ["executorch.runtime", "executorch.backends.xnnpack.partition.xnnpack_partitioner"],
}


@pytest.mark.parametrize("extra", MISSING)
def test_a_missing_extra_says_how_to_install_it(monkeypatch, tmp_path, extra):
    for module in MISSING[extra]:
        monkeypatch.setitem(sys.modules, module, None)
    suffix = next(suffix for suffix, runtime in SUFFIXES.items() if runtime == extra)
    manifest = {"precision": "fp32", "tasks": {}, "input": {"batch": 1, "height": 4, "width": 4}}
    for use in (
        lambda: open_runner(tmp_path / f"model{suffix}", manifest),
        lambda: WRITERS[extra](None, tmp_path / "new", manifest, "fp32"),
    ):
        with pytest.raises(UserError, match=rf'pip install "mobilevision\[{extra}\]"$'):
            use()


@pytest.mark.parametrize(
    ("task", "role", "label"),
    [("segment", "labels", -1), ("segment", "labels", 2), ("detect", "labels", -2), ("detect", "labels", 2)],
)
def test_a_label_that_no_class_has_is_refused(task, role, label):
    sides = {"height": 2, "width": 2}
    outputs = {"labels": "labels"} if task == "segment" else {"boxes": "boxes", "scores": "scores", "labels": "labels"}
    manifest = {"file": "a.onnx", "outputs": "final", "input": sides}
    manifest["tasks"] = {task: {"classes": ["a", "b"], "outputs": outputs}}
    labels = np.zeros((1, 2, 2) if task == "segment" else (1, 2), np.int64)
    arrays = {"boxes": np.zeros((1, 2, 4)), "scores": np.zeros((1, 2)), role: labels}
    labels.flat[1] = -1 if task == "detect" else 1
    check_outputs(arrays, manifest)
    labels.flat[0] = label
    with pytest.raises(UserError, match=f"gives label {label}; its description has 2 classes"):
        check_outputs(arrays, manifest)


def test_a_signal_is_heard_after_files_of_openvino_were_closed(shipped):
    """OpenVINO's Cores leave a freed signal stack behind if the first one made is the first one freed."""
    need("openvino")
    path = shipped("openvino", "raw").folder / "model.xml"
    code = (
        "import json, signal, sys\n"
        "from pathlib import Path\n"
        "from tasks.deploy.runners.opening import open_runner\n"
        "path = Path(sys.argv[1])\n"
        "manifest = json.loads(path.with_suffix('.json').read_text())\n"
        "first, second = open_runner(path, manifest), open_runner(path, manifest)\n"
        "del first\n"
        "del second\n"
        "signal.signal(signal.SIGINT, lambda *_: print('heard'))\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
