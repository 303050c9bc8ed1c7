"""The command: verdicts and costs of files and of a rewritten checkpoint, what is refused, exit statuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.lint.__main__ import main
from tasks.lint.arguments import parse
from tasks.lint.files.litert import fits
from tasks.lint.of_checkpoint import size_in
from tasks.lint.operators import Operator, as_quantised
from tasks.lint.result import CUT, judged
from tasks.lint.rules import NATIVE, read_list
from tests.tasks.deploy.conftest import network, save_checkpoint

CONV = ("Conv", {"weight": np.ones((4, 8, 3, 3), np.float32), "pads": [1, 1, 1, 1]})


@pytest.fixture
def lint(monkeypatch, capsys):
    """The command; returns its exit status and what it printed."""

    def run(*arguments) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lint", *map(str, arguments)])
        try:
            status = main()
        except SystemExit as left:
            status = left.code
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


def test_a_file_that_is_native(lint, graph_file):
    status, told = lint(f"model={graph_file(CONV, ('Relu', {}))}", "target=onnxruntime")
    assert status == 0 and told.endswith("not run on a device\n2 of 2 operators on the delegate\n")
    assert "time here" in told and "onnxruntime 1." in told


def test_a_file_that_is_not(lint, graph_file):
    status, told = lint(f"model={graph_file(CONV, ('HardSwish', {}))}", "target=nnapi", "measure=false")
    assert status == 1 and "time here" not in told
    assert "hard_swish: hard-swish as Add, Clip and Mul, 1 times, by an export" in told
    assert told.splitlines()[-1] == (
        "1 of 2 operators on the delegate; the first that is not: HardSwish (HardSwish_1), unknown: not in the list"
    )


def test_names_in_a_file_cannot_set_colours(lint, graph_file):
    path = graph_file(("Odd\x1b[31m", {}), ("Relu", {}))
    status, told = lint(f"model={path}", "target=nnapi", "measure=false")
    assert status == 1 and "\x1b" not in told and "\\x1b[31m" in told


def test_json_has_the_cost_of_each_operator(lint, graph_file):
    path = graph_file(CONV, ("HardSigmoid", {}), ("ReduceMean", {"keepdims": 1}))
    status, told = lint(f"model={path}", "target=webgpu", "--json")
    result = json.loads(told)
    assert status == 0 and result["native"] == result["count"] == 3
    seconds = {entry["kind"]: entry["seconds"] for entry in result["operators"]}
    assert seconds["Conv"] > 0 and seconds["ReduceMean"] > 0 and result["operators"][0]["here"] is None
    assert result["list"]["source"] and result["line"] == "3 of 3 operators on the delegate"


@pytest.fixture
def checkpoint(tmp_path):
    """A classifier with squeeze-and-excite and hard activations."""
    learner, made = network("heads=[classify]")
    return save_checkpoint(tmp_path / "best.ckpt", "multitask", learner, made)


def test_a_rewritten_checkpoint(lint, checkpoint):
    status, told = lint(f"checkpoint={checkpoint}", "target=nnapi", "measure=false", "rewrite=true", "--json")
    result = json.loads(told)
    assert status == 0, result["line"]
    replaced = {entry["name"]: entry["replaced"] for entry in result["rewrites"]}
    assert replaced.keys() == {"hard_swish", "hard_sigmoid", "mean_as_pooling"} and replaced["hard_swish"] > 10
    assert all(entry["difference"] < 1e-5 for entry in result["rewrites"])
    kinds = [entry["kind"] for entry in result["operators"]]
    assert {"HardSwish", "HardSigmoid", "ReduceMean"}.isdisjoint(kinds)
    assert kinds.count("AveragePool") == replaced["mean_as_pooling"]


def test_a_checkpoint_for_litert(lint, checkpoint):
    pytest.importorskip("litert_torch")
    _, told = lint(f"checkpoint={checkpoint}", "target=edgetpu", "measure=false", "rewrite=true", "--json")
    result, _ = json.JSONDecoder().raw_decode(told)  # a warning of a package may follow
    (rewrite,) = result["rewrites"]
    assert rewrite["name"] == "hard_swish" and rewrite["replaced"] > 10 and 0 < rewrite["difference"] < 1e-5
    kinds = [entry["kind"] for entry in result["operators"]]
    assert "HARD_SWISH" not in kinds and kinds.count("DEPTHWISE_CONV_2D") == 11


def test_a_checkpoint_of_images_of_any_size_needs_one():
    with pytest.raises(UserError, match=r"size=\[height,width\] is needed"):
        size_in({"data": {"fit": None}})
    assert size_in({"data": {"fit": {"size": [3, 4]}}}) == (3, 4)


REFUSED = {
    "target=npu model=a.onnx": r"target=npu is not one of litert-gpu, xnnpack, nnapi, .*",
    "target=litertgpu model=a.onnx": r"did you mean litert-gpu",
    "target=nnapi modle=a.onnx": r"modle=a\.onnx: not one of .*did you mean model\?",
    "model=a.onnx": r"target=… is needed: one of",
    "target=nnapi": r"one of model=<exported file> and checkpoint=<best\.ckpt> is needed",
    "target=nnapi model=gone.onnx": r"model=gone\.onnx: no such file",
    "target=nnapi checkpoint=gone.ckpt": r"checkpoint=gone\.ckpt: no such file",
    "target=nnapi model=here.pt2": r"tasks\.lint reads \.onnx, \.tflite, \.xml, \.pte, not \.pt2",
    "target=nnapi model=here.xml": r"target=nnapi reads \.onnx files; for \.xml there are openvino, openvino-gpu",
    "target=xnnpack model=here.xml": r"target=xnnpack reads \.tflite and \.pte files; for \.xml there are",
    "target=coreml model=here.mlpackage": r"tasks\.lint reads \.onnx, \.tflite, \.xml, \.pte, not \.mlpackage files",
    "target=nnapi model=.": r"model=\. is a folder; name a file in it: here\.onnx",
    "target=nnapi model=here.onnx size=[3,4]": r"size=… is for checkpoint=…",
    "target=nnapi model=here.onnx measure=maybe": r"measure=maybe is not one of true, false",
    "target=nnapi model=here.onnx model=here.onnx": r"model is given twice",
    "target=nnapi checkpoint=here.ckpt size=3": r"size=3: \[height,width\] is needed",
    "target=nnapi checkpoint=here.ckpt size=[4,99999]": r"size=\[4,99999\]: \[height,width\] is needed, each from",
    f"target=nnapi checkpoint=here.ckpt size=[4,{'9' * 5000}]": r"size=\[4,9+: \[height,width\] is needed",
    "target=nnapi colour=red": r"colour=red: not one of model=…",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_is_refused_before_anything_is_read(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    for name in ("here.pt2", "here.xml", "here.onnx", "here.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / "here.mlpackage").mkdir()
    with pytest.raises(UserError, match=REFUSED[arguments]):
        parse(arguments.split())


@pytest.mark.parametrize("suffix", ["onnx", "tflite", "xml", "pte"])
def test_damaged_files_are_one_line(lint, tmp_path, suffix):
    pytest.importorskip({"onnx": "onnx", "tflite": "ai_edge_litert", "xml": "openvino", "pte": "executorch"}[suffix])
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"\x08nonsense, and more of it")
    target = {"onnx": "webgpu", "tflite": "edgetpu", "xml": "openvino", "pte": "xnnpack"}[suffix]
    status, told = lint(f"model={path}", f"target={target}")
    assert status == 2 and f"{path} cannot be opened" in told and told.count("\n") == 1


def test_odd_bytes_in_an_onnx_file_are_one_line(lint, graph_file):
    path = graph_file(("Resize", {"mode": "linear"}))
    path.write_bytes(path.read_bytes().replace(b"linear", b"\xff\xfenear"))  # no text
    for given in ([], ["measure=false"]):
        status, told = lint(f"model={path}", "target=webgpu", *given)
        assert status == 2 and told.startswith(f"error: {path} cannot be opened: ") and told.count("\n") == 1


def test_a_graph_that_is_cut_once_leaves_all_that_follows_behind():
    def of(kind: str) -> Operator:
        return Operator(kind, "", {"type": "int8", "outer": 1})

    verdicts = [verdict for _, verdict in judged([of("CONV_2D"), of("EXP"), of("CONV_2D")], read_list("edgetpu"))]
    assert [verdict.what == NATIVE for verdict in verdicts] == [True, False, False] and verdicts[2] == CUT
    verdicts = [verdict for _, verdict in judged([of("EXP"), of("CONV_2D")], read_list("xnnpack"))]
    assert [verdict.what == NATIVE for verdict in verdicts] == [False, True]


def test_a_graph_is_judged_as_if_it_were_quantised():
    floats = Operator("CONV_2D", "", {"type": "float32", "to": "float32", "outer": 1})
    edgetpu = read_list("edgetpu")
    assert edgetpu.head["quantised"] == "yes"
    assert edgetpu.verdict(floats).what != NATIVE and edgetpu.verdict(as_quantised(floats)).what == NATIVE


def test_shapes_that_broadcast():
    assert fits([1, 4, 5, 6], [6]) and fits([1, 4, 5, 6], [1, 1, 1, 6]) and not fits([1, 4, 5, 6], [5])


def test_nothing_heavy_to_refuse():
    code = (
        "import sys; sys.argv = ['lint', 'target=nnapi', 'model=gone.onnx']\n"
        "from tasks.lint.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as left: print(left.code)\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'openvino', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n[]\n", done.stdout + done.stderr
