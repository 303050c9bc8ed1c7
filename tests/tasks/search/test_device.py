"""A block search by a device's latencies: it ranks by the device's figures, and refuses those of another target."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module

pytest.importorskip("optuna")

from tasks.app.resolve import resolve
from tasks.checkpoint.manifest import read_manifest
from tasks.common.task_info import nameless
from tasks.deploy.bench.device_result import DeviceResult, Measured
from tasks.latency.device import architecture
from tasks.search import candidates
from tasks.search.block.space import Space
from tasks.search.networks import Networks
from tests.described import embed
from tests.tasks.search.test_blocks import TINY, history

SIZE = (32, 32)
WORDS = (*TINY, "search.epochs=1", "search.trials=9", "latency.runtime=litert", "target.latency=1.0x")


@pytest.fixture(scope="module")
def measured() -> DeviceResult:
    """Three networks that a phone has measured: the widest is the fastest, as on no other machine."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("classify", ["task=classify", "mode=search", *TINY, "target.madds=1.0x"])
    settings = resolve("classify", config)
    networks = Networks(settings.run, nameless(3), SIZE)
    space = Space(networks.seed_plan, settings.search.choices)
    points = [space.width(1.0), space.width(0.5), {**space.width(1.0), "stage1.kernel": 5, "stage2.kernel": 5}]
    files = [
        Measured(
            *(f"{number}.tflite", f"{number}" * 64, "benchmark_model", ms),
            runtime="litert",
            precision="fp32",
            height=SIZE[0],
            width=SIZE[1],
            architecture=architecture(networks.outline(space.plan(point)), SIZE),
            point=point,
        )
        for number, (point, ms) in enumerate(zip(points, (8.0, 20.0, 2.0), strict=True))
    ]
    return DeviceResult("Pixel 7", "a test", 1, files)


@pytest.fixture
def search(command, folders, tmp_path, monkeypatch):
    """The real command, whose trainings all score the same: only the latency decides."""
    monkeypatch.setattr("tasks.search.proxy.Proxy.train", lambda *_, **__: 0.5)

    def run(device: DeviceResult, *words: str):
        device.write(tmp_path / "device.json")
        where = (f"dataset.root={folders}", f"latency.device={tmp_path / 'device.json'}")
        return command("search", *WORDS, *where, f"hydra.run.dir={tmp_path / 'run'}", *words), tmp_path / "run"

    return run


def test_the_search_ranks_by_the_devices_figures(search, measured):
    result, folder = search(measured)
    assert result.status == 0, result.err
    assert "Pixel 7: 3 networks are measured; others are not tried" in result.out
    rows = history(folder)
    costs = {row["name"]: float(row["latency_ms"]) for row in rows}
    assert costs == {"seed": 8.0, "width 0.5": 20.0, "trial 2": 2.0, "found": 2.0}
    params = {row["name"]: int(row["params"]) for row in rows}
    assert (
        params["width 0.5"] < params["seed"] < params["trial 2"] == params["found"]
    )  # the phone decides, not the size


def test_the_journal_is_bound_to_the_devices_file(search, measured, tmp_path):
    assert search(measured)[0].status == 0
    files = [replace(file, latency_ms=2 * file.latency_ms) for file in measured.files]
    again = (f"search.study={tmp_path / 'run' / 'study.log'}", f"hydra.run.dir={tmp_path / 'more'}")
    result, _ = search(replace(measured, files=files), *again)
    assert result.status == 2 and "is of another search: latency.device is sha256" in result.err


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({}, ("latency.runtime=onnx",), "is of litert fp32 32×32, not onnx fp32 32×32"),
        ({}, ("latency.precision=fp16",), "is of litert fp32 32×32, not litert fp16 32×32"),
        ({}, ("data.fit.crop=28",), "is of litert fp32 32×32, not litert fp32 28×28"),
        ({"threads": 4}, (), "is of 4 threads, not latency.threads=1"),
        ({"files": {"architecture": None}}, (), "says of no file which network it is"),
        ({"files": {"point": None}}, (), "0.tflite does not say its choices"),
        ({"files": {"point": {"stage1.kernel": 9}}}, (), "0.tflite is no network of this search"),
        ({"files": {"architecture": "f" * 64}}, (), "0.tflite and 1.tflite are the same network"),
        ({"first": {"architecture": "f" * 64}}, (), "0.tflite is another network than its choices make here"),
        (
            {"without": 0},
            (),
            "Pixel 7 has not measured a network that the search needs, such as the one it begins with",
        ),
        ({}, ("target.latency=null", "target.madds=0.7x"), "which search=blocks target.latency=… chooses from"),
        ({}, ("target.latency=1ms",), "1.00 ms cannot be reached by these choices: the smallest network costs 2.00 ms"),
    ],
)
def test_results_of_another_target_are_refused_in_one_line(change, words, message, search, measured):
    files = [replace(file, **change.get("files", {})) for file in measured.files]
    files[0] = replace(files[0], **change.get("first", {}))
    if "without" in change:
        del files[change["without"]]
    result, _ = search(replace(measured, files=files, threads=change.get("threads", 1)), *words)
    lines = [line for line in result.err.splitlines() if line]
    assert result.status == 2 and message in result.err and len(lines) == 1, result.err


def test_other_searches_make_networks_that_no_device_has_measured(command, folders, measured, tmp_path):
    measured.write(tmp_path / "device.json")
    words = ("search=width", "dataset=folders", f"dataset.root={folders}", "target.latency=5ms")
    result = command("search", *words, f"latency.device={tmp_path / 'device.json'}", "latency.runtime=litert")
    assert result.status == 2 and "other searches make networks that it has not" in result.err


def test_layers_are_not_measured_here_for_other_runtimes(command, folders):
    result = command("search", *TINY, f"dataset.root={folders}", "target.latency=0.7x", "latency.runtime=litert")
    assert result.status == 2
    assert "layers are measured here in torch or onnx and fp32; latency.device=<device.json>" in result.err


def fake_trace(_learner, **_) -> SimpleNamespace:
    """What describe() needs of a traced network."""
    return SimpleNamespace(planes=(1, 3, *SIZE), layout="NCHW", names={"classify": {"logits": "logits"}})


def fake_write(_traced, path: Path, manifest, _precision) -> list[str]:
    """A file that has nothing but its description."""
    embed(path, manifest)
    return [path.name]


@pytest.mark.parametrize("real", [False, True])
def test_candidates_are_exported_with_what_the_search_needs(
    real, command, folders, tmp_path, measured, search, monkeypatch
):
    if real:
        pytest.importorskip("onnxscript")
    else:  # the exporter takes seconds for each network
        monkeypatch.setattr(candidates, "trace", fake_trace)
        monkeypatch.setitem(candidates.WRITERS, "onnx", fake_write)
        monkeypatch.setattr("tasks.deploy.settings.check_installed", lambda *_: None)
    blocks = ("search=", "search.trials", "search.epochs", "search.prune", "search.holdout", "search.widths")
    words = [word for word in TINY if not word.startswith(blocks)]
    words += ["search=candidates", "search.networks=1", "search.widths=[]", "export.format=onnx"]
    result = command("search", *words, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / 'out'}")
    assert result.status == 0, result.err
    assert "exported  2 networks" in result.out and (tmp_path / "out" / "device" / "run.sh").is_file()
    seed = read_manifest(tmp_path / "out" / "candidates" / "seed" / "model.onnx")
    assert seed["architecture"] == measured.files[0].architecture and set(seed["point"]) == set(measured.files[0].point)
    files = [
        Measured(name, "e" * 64, "p", ms, None, "onnx", "fp32", *SIZE, said["architecture"], said["point"])
        for name, ms in (("seed", 3.0), ("network_1", 4.0))
        if (said := read_manifest(Path(tmp_path / "out" / "candidates" / name / "model.onnx")))
    ]
    files[1] = replace(files[1], sha256="f" * 64)
    result, folder = search(replace(measured, files=files), "latency.runtime=onnx")
    assert result.status == 0, result.err
    assert [row["name"] for row in history(folder)] == ["seed", "trial 1", "found"]
    refused = command("search", *words, f"dataset.root={folders}", "export.precision=int8")
    assert refused.status == 2 and "exports networks without training, in fp32 or fp16" in refused.err
    assert json.loads((tmp_path / "out" / "candidates" / "seed" / "model.json").read_text())["trained"]["scores"] == {}
