"""What decode.js and decode.hpp say of a damaged model.json and of outputs that do not fit; the page's own lines."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tasks.checkpoint.manifest_rules import problem_of
from tasks.data.transforms.letterbox import Letterbox
from tasks.deploy.decode import decode
from tasks.deploy.decoders import DECODERS
from tasks.detect.multibox import SoftmaxMultiBox
from tests.tasks.deploy.decoder_cases import (
    NPY,
    ROOT,
    Case,
    changed,
    started,
    tried,
    whole,
    written,
)
from tests.tasks.deploy.decoder_inputs import HEIGHT, WIDTH, detect_task, manifest, photo, raw_boxes

WRONG = [  # keys of model.json and a value that is wrong there; what is said names the key
    ("input.resize", None),
    ("input.resize.rule", "squeeze"),
    ("input.resize.height", "8"),
    ("input.resize.height", 0),
    ("input.resize.height", 10**9),
    ("input.resize.fill", 256),
    ("input.resize.interpolation", "cubic"),
    ("input.height", 2.5),
    ("input.height", None),
    ("input.width", None),
    ("input.layout", "HWC"),
    ("input.upright", "yes"),
    ("input", []),
    ("outputs", None),
    ("precision", "fp8"),
    ("tasks", {}),
    ("tasks.detect", 3),
    ("tasks.detect.outputs", {"logits": "a"}),
    ("tasks.detect.outputs.logits", 3),
    ("tasks.detect.classes", []),
    ("tasks.detect.classes", [None]),
    ("tasks.detect.threshold", 2),
    ("tasks.detect.select", None),
    ("tasks.detect.select.overlap", "x"),
    ("tasks.detect.select.detections", 0),
    ("tasks.detect.select.detections", 1e300),
    ("tasks.detect.score", None),
    ("tasks.detect.holes", [99]),
    ("tasks.detect.weights", [1, 2, 3]),
    ("tasks.detect.weights", [1, 2, 3, 0]),
    ("tasks.detect.largest", None),
    ("tasks.detect.anchors", None),
    ("tasks.detect.anchors.shapes", []),
    ("tasks.detect.anchors.cells", [[1, 2, 3]]),
]


def test_what_is_wrong_with_model_json(decoder, tmp_path):
    model, _ = manifest(detect_task(SoftmaxMultiBox()), Letterbox([HEIGHT, WIDTH]))
    model = whole(model)
    described = {**model, "format": 1, "task": "detect", "runtime": "onnx", "sha256": {"model.onnx": "0"}}
    described["input"] = {**model["input"], "batch": 1}
    assert problem_of(described) == ""
    got = tried(decoder, [Case(model), *(Case(changed(model, *each)) for each in WRONG)], tmp_path)
    assert got[0] == {}
    for (key, value), each in zip(WRONG, got[1:], strict=True):
        line = each["error"]
        named = line.startswith((f"model.json: {key}", f"model.json: {key.rpartition('.')[0]}"))
        assert named and "\n" not in line and len(line) < 200, (key, value, line)
        assert problem_of(changed(described, key, value)), f"Python takes {key}={value}"


BROKEN = ("", "{", "[1, 2", '{"a" 1}', '{"a": 1,}', '{"a": 01x}', '{"a": NaN}', '{"a": "b', '{"a": "\\q"}', "{} {}",
          '{"a": "\\u12"}', "nul", "-", '{"a": 1e999}', "[" * 100_000, '{"a": "b\nc"}', "\x00")  # fmt: skip


def test_what_is_no_json(decoder, tmp_path):
    folders = [written(Case({}), tmp_path / f"{number}") for number in range(len(BROKEN))]
    for folder, text in zip(folders, BROKEN, strict=True):
        (folder / "model.json").write_text(text)
    decoder(folders)
    for folder, text in zip(folders, BROKEN, strict=True):
        line = (folder / "got" / "error.txt").read_text(encoding="utf-8")
        start = "model.json" if "e999" in text else "model.json is no JSON"  # JavaScript reads that as infinite
        assert line.startswith(start) and "\n" not in line, (text[:20], line)


def test_outputs_that_are_not_as_described(decoder, tmp_path):
    """Nothing is read beyond what the file gave."""
    task = detect_task(SoftmaxMultiBox())
    model, outputs = manifest(task, None)
    given = outputs(raw_boxes(task, 0))
    anchors = given["offsets"].shape[1]
    fewer = {**given, "offsets": given["offsets"][:, :-1], "logits": given["logits"][:, :-1]}
    cases = [
        ({"logits": given["logits"]}, "model.json: the file has no output offsets, as tasks.detect.outputs says"),
        (
            {**given, "logits": given["logits"][:, :, 1:]},
            "model.json: tasks.detect.classes are 3, and the file gives 2",
        ),
        (fewer, f"model.json: tasks.detect.anchors are {anchors}, and the file gives {anchors - 1}"),
    ]
    size, place = (HEIGHT, WIDTH), (0, 0, WIDTH, HEIGHT)
    got = tried(decoder, [Case(whole(model), None, each, size, place) for each, _ in cases], tmp_path)
    for (_, start), each in zip(cases, got, strict=True):
        assert each["error"].startswith(start), each


BEFORE = {  # what a program has before the lines of the page, and what it does behind them
    "python": """
import numpy as np
photo = np.load("photo.npy")
run = lambda image: {name: np.load(f"outputs/{name}.npy") for name in ("logits", "offsets")}
""",
    "js": """
import { parse } from "./npy.js";
const read = (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return parse(buffer.slice(byteOffset, byteOffset + byteLength));
};
const { data, dims: [height, width] } = read("photo.npy");
const photo = { data, height, width };
const run = async () => ({ logits: read("outputs/logits.npy"), offsets: read("outputs/offsets.npy") });
""",
    "cpp": """
int main() {
  const std::vector<std::uint8_t> bytes(3 * 211 * 140, 200);
  const std::vector<float> zeros(100000);
  const std::uint8_t* pixels = bytes.data();
  const int height = 211, width = 140;
  const auto run = [&](const auto&, const auto&) -> mv::Tensors {
    return {{"logits", {zeros.data(), {1, ANCHORS, 4}}}, {"offsets", {zeros.data(), {1, ANCHORS, 4}}}};
  };
""",
}


@pytest.mark.parametrize("language", BEFORE)
def test_the_lines_of_the_page_run(language, tmp_path):
    page = (ROOT / "docs" / "deploy" / "decoders.md").read_text(encoding="utf-8")
    lines = page.split(f"```{language}\n")[1].split("```")[0]
    task, fit = detect_task(SoftmaxMultiBox()), Letterbox([HEIGHT, WIDTH])
    model, outputs = manifest(task, fit)
    given = outputs(raw_boxes(task, 0))
    folder = written(Case(whole(model), photo(np.random.default_rng(0), 211, 140), given), tmp_path / "case")
    for source in (*DECODERS.values(), NPY):
        shutil.copy(source, folder)
    if language == "python":
        (folder / "try.py").write_text(f"{BEFORE[language]}{lines}print(len(found['detect']['labels']))")
        words = [sys.executable, "try.py"]
    elif language == "js":
        if not shutil.which("node"):
            pytest.skip("no Node here")
        (folder / "try.mjs").write_text(f"{BEFORE[language]}{lines}console.log(found.detect.labels.length)")
        words = ["node", "try.mjs"]
    else:
        if not shutil.which("g++"):
            pytest.skip("no g++ here")
        head, rest = lines.split("\n\n")
        before = BEFORE[language].replace("ANCHORS", str(given["logits"].shape[1]))
        end = 'return found.at("detect").labels.empty() ? 1 : 0; }'
        (folder / "try.cpp").write_text(f"{head}\n{before}{rest}{end}\n")
        started("g++", "-std=c++17", "-Wall", "-Wextra", folder / "try.cpp", "-o", folder / "try")
        words = [folder / "try"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    if language != "cpp":
        place = fit.place(211, 140)
        assert done.stdout.strip() == str(len(decode(given, model, (211, 140), place)["detect"]["labels"]))
