"""examples/decoders/ print what open_model().predict() finds; decode.hpp by a second compiler."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tasks.data.transforms.letterbox import Letterbox
from tasks.deploy.decoders import DECODERS
from tasks.deploy.model import Model
from tasks.detect.multibox import SoftmaxMultiBox
from tests.tasks.deploy.conftest import ExportedLearner, noise
from tests.tasks.deploy.decoder_cases import ROOT, Case, check_inputs, check_results, compiled, started, whole
from tests.tasks.deploy.decoder_inputs import (
    HEIGHT,
    WIDTH,
    detect_task,
    manifest,
    photo,
    raw_boxes,
    segment_task,
    takes,
)

EXAMPLES = ROOT / "examples" / "decoders"
PACKAGE = "onnxruntime-node"
TYPED_ARRAYS = """// As much of onnxruntime-node as the example needs: for the expected input the outputs of a file.
import { readFileSync } from "node:fs";
const read = (name) => readFileSync(new URL(name, import.meta.url));
class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
const kinds = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array, int64: BigInt64Array };
const run = async ({ image }) => {
  const { dims, outputs } = JSON.parse(read("given.json"));
  if (image.type !== "uint8" || String(image.dims) !== String(dims)) throw new Error(`input ${image.dims}`);
  if (Buffer.compare(Buffer.from(image.data), read("input.bin"))) throw new Error("other bytes");
  return Object.fromEntries(Object.entries(outputs).map(([name, { kind, dims }]) =>
    [name, new Tensor(kind, new kinds[kind](new Uint8Array(read(`${name}.bin`)).buffer), dims)]));
};
export default { Tensor, InferenceSession: { create: async (path) => (readFileSync(path), { run }) } };
"""


def photo_file(folder: Path) -> tuple[Path, np.ndarray]:
    """A photo of another size than the network's input, as a binary PPM."""
    image = noise(1, (70, 110), seed=3)[0].permute(1, 2, 0).numpy()
    path = folder / "photo.ppm"
    path.write_bytes(b"P6\n110 70\n255\n" + image.tobytes())
    return path, image


def printed(*words: str | Path) -> list[list[str]]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def check_boxes(lines: list[list[str]], made: ExportedLearner, image: np.ndarray, *, within: float) -> None:
    """Compare the lines `detect <class> <score> <four sides>` with the boxes from the task's threshold on."""
    found, task = Model(made.runner, made.manifest).predict(image)["detect"], made.manifest["tasks"]["detect"]
    count = int((found["scores"] >= (0.5 if task["threshold"] is None else task["threshold"])).sum())
    shown = [line for line in lines if line[0] == "detect"]
    assert len(shown) == count > 3
    names = [entry["name"].split()[-1] for entry in task["classes"]]
    assert [line[-6] for line in shown] == [names[label] for label in found["labels"][:count]]
    numbers = np.array([line[-5:] for line in shown], float)
    np.testing.assert_allclose(numbers[:, 0], found["scores"][:count], atol=1e-4)
    np.testing.assert_allclose(numbers[:, 1:], found["boxes"][:count], atol=within)


@pytest.mark.parametrize("runtime", [PACKAGE, "typed arrays"])
def test_the_example_in_node(shipped, tmp_path, runtime):
    pytest.importorskip("onnx")
    if not shutil.which("node"):
        pytest.skip("no Node here")
    places = [folder / "node_modules" for folder in (EXAMPLES, ROOT)]
    installed = [modules for modules in places if (modules / PACKAGE).is_dir()]
    if runtime == PACKAGE and not installed:
        pytest.skip("onnxruntime-node is not installed: npm install onnxruntime-node in examples/decoders")
    made, (path, image) = shipped("onnx", "decoded"), photo_file(tmp_path)
    if runtime == PACKAGE:
        (tmp_path / "node_modules").symlink_to(installed[0])
    else:
        pretend(tmp_path / "node_modules" / PACKAGE, made, image)
    shutil.copy(EXAMPLES / "predict.mjs", tmp_path)
    folder = tmp_path / "export"
    shutil.copytree(made.folder, folder)
    shutil.copy(DECODERS["decode.js"], folder)
    lines = printed("node", tmp_path / "predict.mjs", folder, path)
    check_boxes(lines, made, image, within=0.0501)
    labels = Model(made.runner, made.manifest).predict(image)["segment"]["labels"]
    names = [entry["name"] for entry in made.manifest["tasks"]["segment"]["classes"]]
    (line,) = (" ".join(words) for words in lines if words[0] == "segment")
    assert line == f"segment [ 70, 110 ] pixels of {names[labels[0, 0]]} and others"


def pretend(package: Path, made: ExportedLearner, image: np.ndarray) -> None:
    """A package that gives the outputs of the file for this photo."""
    from tasks.deploy.decode import prepare

    package.mkdir(parents=True)
    seen, _ = prepare(image, made.manifest)
    outputs = made.runner.run(seen)
    (package / "package.json").write_text(json.dumps({"name": PACKAGE, "type": "module", "main": "index.js"}))
    (package / "index.js").write_text(TYPED_ARRAYS)
    (package / "input.bin").write_bytes(seen.tobytes())
    given = {name: {"kind": str(values.dtype), "dims": values.shape} for name, values in outputs.items()}
    (package / "given.json").write_text(json.dumps({"dims": seen.shape, "outputs": given}))
    for name, values in outputs.items():
        (package / f"{name}.bin").write_bytes(np.ascontiguousarray(values).tobytes())


def test_the_example_in_cpp(shipped, tmp_path):
    """Compiled with the headers and libraries that OpenVINO's Python package has."""
    openvino = pytest.importorskip("openvino")
    there = Path(openvino.__file__).parent
    (library, *_) = [*(there / "libs").glob("libopenvino.so*"), None]
    if not shutil.which("g++") or library is None or not (there / "include" / "openvino" / "openvino.hpp").is_file():
        pytest.skip("no g++ here, or no headers in the package openvino")
    program, (path, image) = tmp_path / "predict", photo_file(tmp_path)
    sources = (f"-I{DECODERS['decode.hpp'].parent}", f"-isystem{there / 'include'}", EXAMPLES / "predict.cpp", library)
    words = ("g++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *sources, f"-Wl,-rpath,{library.parent}")
    started(*words, "-o", program)
    made = shipped("openvino", "raw")
    lines = printed(program, made.folder, path)
    check_boxes(lines, made, image, within=0.01)
    found = Model(made.runner, made.manifest).predict(image)
    names = [entry["name"] for entry in made.manifest["tasks"]["segment"]["classes"]]
    assert f"segment {names[found['segment']['labels'][0, 0]]} in the first pixel" in map(" ".join, lines)
    logits = found["classify"]["logits"]
    shares = [float(line[-1]) for line in lines if line[0] == "classify"]
    np.testing.assert_allclose(shares, np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(), atol=1e-4)
    done = subprocess.run(
        (program, made.folder, made.folder / "model.json"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.endswith("is no PPM of 8 bits\n") and done.stderr.count("\n") == 1


def test_the_header_by_clang(tmp_path):
    """Inputs, boxes and label maps once more; all of them are compared by g++'s program."""
    program = compiled(tmp_path, "-O1", compiler="clang++")
    generator = np.random.default_rng(0)
    odd = [photo(generator, *size) for size in ((1, 1), (3, 500), (61, 44))]

    def clang(folders):
        started(program, *folders)

    check_inputs(clang, [(image, takes(Letterbox([20, 30]).rule(), 20, 30)) for image in odd], tmp_path / "inputs")
    task = detect_task(SoftmaxMultiBox(), threshold=0.2, overlap=0.4, detections=50)
    model, outputs = manifest(task, None, "raw")
    where = ((HEIGHT, WIDTH), (0, 0, WIDTH, HEIGHT))
    cases = [Case(whole(model), None, outputs(raw_boxes(task, 5)), *where)]
    model, outputs = manifest(segment_task(), None, "raw")
    logits = noise(1, (6, 10), seed=2)[0].float().repeat(2, 1, 1)[None, :5]
    cases.append(Case(whole(model), None, outputs(logits), *where))
    check_results(clang, cases, tmp_path / "results")
