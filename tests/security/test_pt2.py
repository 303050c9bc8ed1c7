"""A .pt2 file with a pickle, code or a library in it is refused; what our exporter writes is read, bit for bit."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backbones.torch_file import BEFORE_1_6
from tasks.common.errors import UserError
from tasks.deploy.operators import NAMES, check_operator, computes
from tasks.deploy.pt2 import load_program
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.size_expressions import check_size
from tests.security.conftest import Payload

GRAPH, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"
CONSTANTS, INPUTS = "data/constants/model_constants_config.json", "data/sample_inputs/model.pt"


class Small(nn.Module):
    """Two layers for images whose height and width are open."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image.float()).mean((2, 3)) + image.shape[2] // 2


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """A program as tasks/deploy/writers/torch.py leaves it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    open_sides = {"image": {2: torch.export.Dim("height", min=8), 3: torch.export.Dim("width", min=8)}}
    images = torch.zeros(1, 3, 32, 40, dtype=torch.uint8)
    torch.export.save(torch.export.export(Small().eval(), (images,), dynamic_shapes=open_sides), path)
    return path


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {entry.filename.partition("/")[2]: archive.read(entry) for entry in archive.infolist()}


def rewritten(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(f"model/{name}", content)
    return path


def in_json(name: str, change: Callable[[Any, Path], None]) -> Callable[[dict[str, bytes], Path], None]:
    def apply(parts: dict[str, bytes], marker: Path) -> None:
        tree = json.loads(parts[name])
        change(tree, marker)
        parts[name] = json.dumps(tree).encode()

    return apply


def saved(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save((Payload(marker),), buffer)
    return buffer.getvalue()


def call(tree: Any, marker: Path) -> None:
    node = tree["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.os.mkdir"
    node["inputs"] = [{"name": "path", "arg": {"as_string": str(marker)}, "kind": 1}]


def target(name: str) -> Callable[[dict[str, bytes], Path], None]:
    return in_json(GRAPH, lambda tree, _: tree["graph_module"]["graph"]["nodes"][0].update(target=name))


def rename(tree: Any, marker: Path) -> None:
    graph = tree["graph_module"]["graph"]
    bad = f"image, x=__import__('os').mkdir({str(marker)!r})"
    text = json.dumps(graph).replace('"image"', json.dumps(bad))
    tree["graph_module"]["graph"] = json.loads(text)
    inputs = tree["graph_module"]["signature"]["input_specs"]
    tree["graph_module"]["signature"]["input_specs"] = json.loads(
        json.dumps(inputs).replace('"image"', json.dumps(bad))
    )


def as_pickle(kind: str) -> Callable[[Any, Path], None]:
    def change(tree: Any, _marker: Path) -> None:
        entry = next(iter(tree["config"].values()))
        entry |= {"use_pickle": True, "path_name": kind}

    return change


def size(tree: Any, marker: Path) -> None:
    values = tree["graph_module"]["graph"]["sym_int_values"]
    key = next(iter(values))
    values[key] = {"as_expr": {"expr_str": f"__import__('os').mkdir({str(marker)!r})", "hint": {"as_int": 1}}}


def bomb() -> bytes:
    """Sample inputs of torch.save that are small in the file alone."""
    buffer = io.BytesIO()
    torch.save(((torch.zeros(2**20, dtype=torch.uint8),), {}), buffer)
    small = io.BytesIO()
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in whole.infolist():
            archive.writestr(entry.filename, whole.read(entry))
    assert len(small.getvalue()) < 2**14
    return small.getvalue()


def of_size(text: str) -> Callable[[dict[str, bytes], Path], None]:
    def change(tree: Any, _marker: Path) -> None:
        values = tree["graph_module"]["graph"]["sym_int_values"]
        values[next(iter(values))] = {"as_expr": {"expr_str": text, "hint": {"as_int": 1}}}

    return in_json(GRAPH, change)


def guard(tree: Any, marker: Path) -> None:
    tree["guards_code"] = [f"__import__('os').mkdir({str(marker)!r}) or True"]


def pickled_weight(parts: dict[str, bytes], marker: Path) -> None:
    in_json(WEIGHTS, as_pickle("weight_0"))(parts, marker)
    parts["data/weights/weight_0"] = saved(marker)


def opaque(parts: dict[str, bytes], marker: Path) -> None:
    config = {"x": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}}
    parts[CONSTANTS] = json.dumps({"config": config}).encode()
    parts["data/constants/opaque_obj_0"] = pickle.dumps(Payload(marker))


RUNS: dict[str, Callable[[dict[str, bytes], Path], None]] = {  # PyTorch's own loading makes the marker
    "sample inputs": lambda parts, marker: parts.update({INPUTS: saved(marker)}),
    "a pickled weight": pickled_weight,
    "an opaque object": opaque,
    "old weights": lambda parts, marker: parts.update({"data/weights/model.pt": saved(marker)}),
    "a size": in_json(GRAPH, size),
    "a guard": in_json(GRAPH, guard),
}
REFUSED: dict[str, Callable[[dict[str, bytes], Path], None]] = {
    "a call": in_json(GRAPH, call),
    "an input's name": in_json(GRAPH, rename),
    "a library": lambda parts, _: parts.update({"data/aotinductor/model/x.so": b"\x7fELF"}),
    "another program": lambda parts, _: parts.update({"models/other.json": parts[GRAPH]}),
    "a file that is opened": in_json(
        GRAPH,
        lambda tree, _: tree["graph_module"]["graph"]["nodes"][0].update(target="torch.ops.aten.from_file.default"),
    ),
    "an attribute": target("torch.ops.aten.add.__class__"),
    "TorchScript's writer of files": target("torch.ops.aten.save.default"),
    "a power of sizes": in_json(GRAPH, lambda tree, _: tree.update(guards_code=["9**9**9**9 != 1"])),
    "a type": in_json(
        GRAPH,
        lambda tree, _: tree["graph_module"]["module_call_graph"][0]["signature"].update(
            in_spec='[1, {"type": "collections.defaultdict", "context": "{\\"default_factory_module\\": \\"x\\"}"}]'
        ),
    ),
    "compressed sample inputs": lambda parts, _: parts.update({INPUTS: bomb()}),
    "endless sample inputs": lambda parts, _: parts.update({INPUTS: BEFORE_1_6 + b"\x80\x02" + b"(" * 30_000}),
    "a long tuple as a size": of_size("(1,)*99999999999"),
    "a long text as a guard": in_json(GRAPH, lambda tree, _: tree.update(guards_code=["'True'*99999999999 == 1"])),
    "an operator that trusts its arguments": target("torch.ops.aten.segment_reduce.default"),
    "another library's operator": target("torch.ops.aten.mkldnn_convolution.default"),
    "an operator that writes into another's output": target("torch.ops.aten.add.out"),
    "depth": lambda parts, _: parts.update({GRAPH: b"[" * 100_000}),
}


@pytest.mark.parametrize("name", RUNS | REFUSED)
def test_what_could_run_is_refused(program, name, tmp_path, monkeypatch):
    monkeypatch.setattr("backbones.torch_file.Counted.left", 20_000)
    parts, marker = entries(program), tmp_path / "marker"
    (RUNS | REFUSED)[name](parts, marker)
    path = rewritten(tmp_path / "model.pt2", parts)
    manifest = {"input": {"batch": 1, "height": None, "width": None}, "tasks": {}, "precision": "fp32"}
    with pytest.raises(UserError, match=r"model\.pt2 cannot be opened: ") as refused:
        open_runner(path, manifest)
    assert "\n" not in str(refused.value) and not marker.exists()


@pytest.mark.parametrize("name", RUNS)
def test_each_of_them_would_run(program, name, tmp_path):
    parts, marker = entries(program), tmp_path / "marker"
    RUNS[name](parts, marker)
    try:
        loaded = torch.export.load(rewritten(tmp_path / "model.pt2", parts)).module()
        loaded(torch.zeros(1, 3, 16, 24, dtype=torch.uint8))
    except Exception:
        pass
    assert marker.is_dir()


def test_compressed_entries_are_refused(program, tmp_path):
    path = rewritten(tmp_path / "model.pt2", entries(program), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="entries"):
        load_program(path)


def test_the_program_is_what_was_saved(program):
    images = torch.randint(0, 255, (1, 3, 20, 50), dtype=torch.uint8)
    ours, theirs = load_program(program).module(), torch.export.load(program).module()
    assert torch.equal(ours(images), theirs(images))
    with pytest.raises((AssertionError, RuntimeError)):  # its guards are kept
        ours(images[:, :, :4])


SYMBOL = "Symbol('s73', positive=True, integer=True)"


@pytest.mark.parametrize(
    "text",
    [
        *("(1,)*9", "'s1'*9", "True('s1')", f"Symbol('s1 s2', {SYMBOL})", "Symbol('s1', 's2')", "Max", "1.5*2", "1e9"),
        *("9223372036854775808", "Symbol", "Add('s1', 1)", "positive('s1')", "(" * 1990 + "1", "-" * 99 + "1", "1 +"),
        *("Add(1," * 300 + "1" + ")" * 300, "1, 2", "L['image'].size()[2]", "", " " * 3000),
    ],
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=r"it |is not called|another name"):
        check_size(text)


@pytest.mark.parametrize(
    "text", ["7", SYMBOL, f"FloorDiv({SYMBOL}, Integer(2))", f"Add(Mul(Integer(-1), {SYMBOL}), -1)"]
)
def test_what_is_a_size(text):
    check_size(text)
    check_size(f"L['image'].size()[2] // 2 == {text}", guard=True)


def test_each_operator_is_one_of_pytorch():
    for name in NAMES:
        packet = getattr(torch.ops.aten, name)
        assert any(computes(getattr(packet, overload)) for overload in packet.overloads()), name
    for name in ("add.Tensor", "relu_.default", "sym_size.int", "topk.default", "upsample_bilinear2d.vec"):
        check_operator(f"torch.ops.aten.{name}")
    for name in ("segment_reduce.default", "fbgemm_linear_int8_weight.default", "from_file.default", "set_.default"):
        with pytest.raises(ValueError, match=name):
            check_operator(f"torch.ops.aten.{name}")
