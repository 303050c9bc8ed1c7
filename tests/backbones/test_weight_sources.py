"""Weights as other programs save and name them; no test reaches a network."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from backbones import sources
from backbones.base import Backbone
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from backbones.published.shapes import uninitialised
from backbones.published.weights import ROWS, PublishedWeights
from backbones.safetensors_file import read_safetensors, read_texts, safetensors_bytes
from backbones.timm_features import TimmFeatures
from backbones.torch_file import read_checkpoint
from backbones.weights import load_weights
from tasks.app.resolve import composed
from tasks.engine.instantiate import make

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "weights" / "mobilenet_v2_imagenet.pth"
TIMM_ROWS = [row for row in ROWS if row.of_timm]


def noisy(network: nn.Module) -> nn.Module:
    """The network with statistics that no two layers share."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=module.weight[0].numel() ** -0.5)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return network.eval()


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    return noisy(torchvision.models.mobilenet_v2())


def same(backbone: Backbone, state: dict[str, torch.Tensor]) -> bool:
    return all(
        torch.equal(a, b.to(a.dtype)) for a, b in zip(backbone.state_dict().values(), state.values(), strict=False)
    )


WRAPPED = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"state": {}}, "args": {"lr": 0.1}},
    "model_state": lambda state: {"model_state": state},
    "module.": lambda state: {"state_dict": {f"module.{name}": each for name, each in state.items()}},
    "compiled and parallel": lambda state: {f"module._orig_mod.{name}": each for name, each in state.items()},
    "averaged, torchvision's": lambda state: {
        "model": {name: torch.zeros_like(each) for name, each in state.items()},
        "model_ema": {"n_averaged": torch.tensor(7), **{f"module.{name}": each for name, each in state.items()}},
    },
    "averaged, timm's": lambda state: {
        "state_dict": {name: torch.zeros_like(each) for name, each in state.items()},
        "state_dict_ema": state,
    },
    "without counters": lambda state: {k: each for k, each in state.items() if not k.endswith("num_batches_tracked")},
    "fp16": lambda state: {k: each.half() if each.is_floating_point() else each for k, each in state.items()},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_state_dicts_as_other_programs_save_them(name, reference, tmp_path):
    state, backbone = reference.state_dict(), MobileNetV2()
    torch.save(WRAPPED[name](state), tmp_path / "a.pt")
    loaded = load_weights(backbone, str(tmp_path / "a.pt"))
    half = {k: each.half() if each.is_floating_point() else each for k, each in state.items()}
    assert same(backbone, half if name == "fp16" else state)
    assert list(loaded.rest) == ["classifier.1.weight", "classifier.1.bias"] and not loaded.not_needed
    without = name == "without counters"
    assert loaded.matched == [n for n in backbone.state_dict() if not (without and n.endswith("num_batches_tracked"))]
    assert ("_ema)" in loaded.source) == name.startswith("averaged")


def test_saved_as_safetensors_and_loaded_equal_bit_for_bit(tmp_path):
    network = noisy(torchvision.models.mobilenet_v3_small())
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes(network.state_dict(), {"note": "größer"}))
    tensors, texts = read_safetensors(tmp_path / "a.safetensors")
    assert texts == read_texts(tmp_path / "a.safetensors") == {"note": "größer"}
    assert tensors.keys() == network.state_dict().keys() and list(tensors) != list(network.state_dict())
    for name, tensor in network.state_dict().items():
        assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor), name
    backbone = MobileNetV3(size="small")  # its layers have other names, and the file has lost their order
    loaded = load_weights(backbone, str(tmp_path / "a.safetensors"))
    assert same(backbone, network.state_dict()) and next(iter(loaded.rest)) == "classifier.0.weight"


def test_names_of_no_known_network_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("backbones.state_dicts.orders", lambda _: iter([["features.0.weight"]]))
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes({"stem.weight": torch.zeros(2)}, {}))
    with pytest.raises(
        ValueError, match=r"a\.safetensors sorts its tensors \(stem\.weight …\), and no network"
    ) as caught:
        load_weights(MobileNetV2(), str(tmp_path / "a.safetensors"))
    assert "\n" not in str(caught.value)


def test_without_timm_the_refusal_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes({"stem.weight": torch.zeros(2)}, {}))
    said = r"no network of torchvision known here has these names: .*; names of timm's need: pip install \"mobilevision"
    with pytest.raises(ValueError, match=said):
        load_weights(MobileNetV2(), str(tmp_path / "a.safetensors"))


def test_damaged_safetensors_are_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    whole = safetensors_bytes({"weight": torch.arange(500.0)}, {})
    deep, lies = b"[" * 100_000, b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'
    backbone = MobileNetV2()
    contents = [b"", b"hello", whole[:100], whole[:-3], whole + b"0", b"\xff" * 64, torch.ones(9).numpy().tobytes()]
    contents += [len(text).to_bytes(8, "little") + text for text in (deep, lies, b"{", b"[]", b'{"a": 1}')]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"a\.safetensors (cannot be read as safetensors|holds no tensors)"
        ) as caught:
            load_weights(backbone, str(path))
        assert "\n" not in str(caught.value)
        assert read_texts(path) == {}
    with pytest.raises(ValueError, match="is a folder"):
        (tmp_path / "b.safetensors").mkdir()
        read_checkpoint(tmp_path / "b.safetensors")


def test_the_real_file_loads():
    if not REAL.is_file():
        pytest.skip("no shared weights here")
    backbone = MobileNetV2()
    loaded = load_weights(backbone, str(REAL))
    assert loaded.matched == list(backbone.state_dict())
    assert list(loaded.rest) == ["classifier.1.weight", "classifier.1.bias"]
    assert same(backbone, torch.load(REAL, weights_only=True))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The Hugging Face Hub as a folder, in place of the network; the calls it had."""
    hub = pytest.importorskip("huggingface_hub")
    calls: list[tuple[str, str, str | None, bool]] = []

    def download(repository, file, *, revision=None, local_files_only=False):
        calls.append((repository, file, revision, local_files_only))
        if local_files_only or not (tmp_path / repository / file).is_file():
            raise FileNotFoundError(f"no {file}\nsecond line")
        return str(tmp_path / repository / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.setattr(sources, "unreachable_hub", str)  # something answers
    monkeypatch.delenv("MOBILEVISION_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return calls, tmp_path


def test_a_file_of_the_hub(hub, reference):
    calls, folder = hub
    (folder / "someone" / "net" / "sub").mkdir(parents=True)
    torch.save(reference.state_dict(), folder / "someone" / "net" / "sub" / "a.bin")
    backbone = MobileNetV2()
    load_weights(backbone, "hf://someone/net/sub/a.bin@v1.0")
    assert same(backbone, reference.state_dict()) and calls == [("someone/net", "sub/a.bin", "v1.0", False)]


@pytest.mark.parametrize("variable", sources.OFFLINE)
def test_where_the_network_is_forbidden_one_line_says_so(hub, variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", None)
    monkeypatch.setattr("torch.hub.get_dir", lambda: "/nowhere")
    names = ["hf://someone/net/a.pth", "MobileNet_V2_Weights.IMAGENET1K_V1"]
    if has_timm():
        names.append("timm:mobilenetv2_100.ra_in1k")
    for name in names:
        with pytest.raises(ValueError, match=rf"^weights={name} is not .*, and {variable}=1 forbids the download$"):
            load_weights(MobileNetV2(), name)
    assert all(local for *_, local in hub[0])


def test_processes_of_a_machine_download_once_and_each_machine_does(tmp_path, monkeypatch, reference):
    """Two processes with one cache, one with another, as on a second machine with its own disk."""
    torch.save(reference.state_dict(), tmp_path / "net.pth")
    content, asked = (tmp_path / "net.pth").read_bytes(), []
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000])
            time.sleep(0.5)  # so that both ask at once, unless one waits
            self.wfile.write(content[1000:])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    weights = SimpleNamespace(
        url=url, get_state_dict=lambda check_hash: torch.hub.load_state_dict_from_url(url, check_hash=check_hash)
    )
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("torchvision.models.get_weight", lambda _: weights)

    def fetch(home):
        os.environ["TORCH_HOME"] = str(home)
        assert len(sources.torchvision_weights("A.V1")) == len(reference.state_dict())

    fork = multiprocessing.get_context("fork")  # which imports nothing again
    processes = [fork.Process(target=fetch, args=(tmp_path / home,)) for home in ("one", "one", "two")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the server is a thread
        for process in processes:
            process.start()
    for process in processes:
        process.join(60)
    server.shutdown()
    assert [process.exitcode for process in processes] == [0, 0, 0] and len(asked) == 2
    for home in ("one", "two"):
        assert [path.name for path in (tmp_path / home / "hub" / "checkpoints").iterdir()] == [name]


def test_what_the_hub_does_not_have_is_one_line(hub):
    for address in ("hf://a/b", "hf://a", "hf://a/b/../c.pth", "hf://a/b/c.pth@", "hf:///b/c"):
        with pytest.raises(ValueError, match="is not hf://<owner>/<name>/<file>"):
            load_weights(MobileNetV2(), address)
    assert not hub[0]
    with pytest.raises(
        ValueError, match=r"^cannot download c\.pth of a/b: FileNotFoundError: no c\.pth; or fetch c\.pth"
    ):
        load_weights(MobileNetV2(), "hf://a/b/c.pth")


def test_without_a_network_one_line_comes_at_once(monkeypatch, tmp_path, caplog, capfd):
    """The Hub's library would try six times, print each, and take half a minute."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    for variable in (*sources.OFFLINE, "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    begin = time.perf_counter()
    with pytest.raises(
        ValueError, match=r"^weights=hf://a/b/c\.pth: the Hugging Face Hub cannot be reached \("
    ) as caught:
        load_weights(MobileNetV2(), "hf://a/b/c.pth")
    assert time.perf_counter() - begin < 5
    assert str(caught.value).endswith("; fetch c.pth of a/b elsewhere, then weights=<that file> needs no network")
    assert "\n" not in str(caught.value) and not caplog.records and capfd.readouterr() == ("", "")


def test_without_a_network_the_cache_is_enough(hub, reference, monkeypatch):
    _, folder = hub
    monkeypatch.setattr(sources, "unreachable_hub", lambda: "connection refused")
    (folder / "a" / "b").mkdir(parents=True)
    torch.save(reference.state_dict(), folder / "a" / "b" / "c.pth")
    cached = {True: str(folder / "a" / "b" / "c.pth"), False: "/nowhere"}
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, local_files_only, **__: cached[local_files_only])
    backbone = MobileNetV2()
    load_weights(backbone, "hf://a/b/c.pth")
    assert same(backbone, reference.state_dict())


def test_torchvisions_weights_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))

    def refuse(*_, **__):
        raise URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    for variable in sources.OFFLINE:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(
        ValueError, match=r"^cannot download MobileNet_V2_\S+: .*Connection refused; fetch http\S+\.pth e"
    ):
        load_weights(MobileNetV2(), "MobileNet_V2_Weights.IMAGENET1K_V1")


def test_changed_bytes_of_the_cache_are_found(hub, reference):
    _, folder = hub
    (folder / "a" / "b").mkdir(parents=True)
    content = safetensors_bytes(reference.state_dict(), {})
    blob = folder / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (folder / "a" / "b" / "m.safetensors").symlink_to(blob)
    load_weights(MobileNetV2(), "hf://a/b/m.safetensors")
    blob.write_bytes(content[:-1] + b"!")
    with pytest.raises(ValueError, match=r"is damaged: its sha256 is not"):
        load_weights(MobileNetV2(), "hf://a/b/m.safetensors")


def has_timm() -> bool:
    try:
        import timm  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.skipif(not has_timm(), reason="needs timm")
def test_a_timm_network_gives_the_same_maps(hub):
    check_same_maps(next(row for row in TIMM_ROWS if "mobilenetv2_050" in row.source), hub[1])


@pytest.mark.skipif(not has_timm(), reason="needs timm")
@pytest.mark.parametrize("row", TIMM_ROWS, ids=lambda row: row.source)
def test_all_timm_networks_give_the_same_maps(row, hub):
    check_same_maps(row, hub[1])


def check_same_maps(row: PublishedWeights, folder: Path) -> None:
    """The listed weights' network with random weights, by the name and keys of the list: equal maps."""
    import timm

    architecture, described = row.source[5:].partition(".")[0], timm.get_pretrained_cfg(row.source[5:])
    assert described.license == row.licence.lower()
    with uninitialised():
        network = timm.create_model(architecture)
    noisy(network)
    (folder / described.hf_hub_id).mkdir(parents=True)
    file = folder / described.hf_hub_id / "model.safetensors"
    file.write_bytes(safetensors_bytes(network.state_dict(), {}))
    settings = composed("classify", f"backbone={row.backbone}", *row.keys.split()).run.learner.backbone
    with uninitialised():
        backbone = make(settings, "backbone").eval()
    loaded = load_weights(backbone, row.source)
    assert loaded.notes == () or (row.note and len(loaded.notes) == 1 and "normalised by mean" in loaded.notes[0])
    before_pooling: list[torch.Tensor] = []
    network.global_pool.register_forward_hook(lambda _module, inputs, _output: before_pooling.append(inputs[0]))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        network(images)
        torch.testing.assert_close(backbone(images)["c5"], before_pooling[0], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not has_timm(), reason="needs timm")
def test_timms_weights_for_timms_network(hub):
    import timm

    _, folder = hub
    network = noisy(timm.create_model("mobilenetv2_050"))
    (folder / "timm" / "mobilenetv2_050.lamb_in1k").mkdir(parents=True)
    file = folder / "timm" / "mobilenetv2_050.lamb_in1k" / "model.safetensors"
    file.write_bytes(safetensors_bytes(network.state_dict(), {}))
    other = noisy(timm.create_model("lcnet_035"))  # in no list
    (folder / "other.safetensors").write_bytes(safetensors_bytes(other.state_dict(), {}))
    for source in ("timm:mobilenetv2_050.lamb_in1k", str(file), str(folder / "other.safetensors")):
        network = other if "other" in source else network
        backbone = TimmFeatures(name="lcnet_035" if "other" in source else "mobilenetv2_050").eval()
        loaded = load_weights(backbone, source)
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            ours = backbone(images)["c5"]
            torch.testing.assert_close(network.blocks(network.bn1(network.conv_stem(images))), ours)
        assert "classifier.weight" in loaded.rest


@pytest.mark.skipif(not has_timm(), reason="needs timm")
def test_what_timm_does_not_have_is_one_line(hub):
    for name, said in (
        ("mobilenetv2_100.gone", r"timm has no such weights of mobilenetv2_100, only mobilenetv2_100\.ra_in1k"),
        ("mobilnet", "timm has no such weights; `python -m backbones --weights` lists some"),
        ("legacy_seresnet50.in1k", "timm (keeps these outside|has no such weights)"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            load_weights(MobileNetV2(), f"timm:{name}")
        assert "\n" not in str(caught.value)
    assert not hub[0]


@pytest.mark.skipif(not has_timm(), reason="needs timm")
def test_a_file_with_other_tensors_than_timms_network_names_the_first(hub):
    import timm

    folder = hub[1] / "timm" / "mobilenetv2_050.lamb_in1k"
    folder.mkdir(parents=True)
    state = timm.create_model("mobilenetv2_050").state_dict()
    state["stem.weight"] = state.pop("conv_stem.weight")
    (folder / "model.safetensors").write_bytes(safetensors_bytes(state, {}))
    said = rf"stem\.weight is only in its file, not in the network of timm {timm.__version__} \(2 such tensors\)$"
    with pytest.raises(ValueError, match=said):
        load_weights(MobileNetV2(), "timm:mobilenetv2_050.lamb_in1k")


def test_the_notes_name_what_shapes_do_not_show(hub):
    if not has_timm():
        pytest.skip("needs timm")
    import timm

    _, folder = hub
    name = "tf_mobilenetv3_small_100.in1k"
    (folder / "timm" / name).mkdir(parents=True)
    state = timm.create_model(name.partition(".")[0]).state_dict()
    (folder / "timm" / name / "model.safetensors").write_bytes(safetensors_bytes(state, {}))
    notes = load_weights(MobileNetV3(size="small", norm_eps=1e-5), f"timm:{name}").notes
    assert [note.split(",")[0] for note in notes] == [
        "made with BatchNorm's eps 0.001",
        "made for images normalised by mean (0.5",
        "made with TensorFlow's padding",
    ]


def test_the_list_of_weights(command):
    status, out, _ = command("--weights")
    assert status == 0 and "…" not in out and max(map(len, out.splitlines())) <= 140
    for row in ROWS:
        assert f"  {row.source} " in out and row.keys in out
    one = json.loads(command("--weights", "mobilenet_v2", "--json")[1])
    assert {row["backbone"] for row in one} == {"mobilenet_v2"} and len(one) == 5
    status, out, error = command("mobilnet_v2", "--weights")
    assert (status, out) == (2, "") and error.startswith(
        "no weights known for 'mobilnet_v2'; did you mean mobilenet_v2"
    )


def test_torchvisions_scores_are_those_of_its_metadata():
    for row in ROWS:
        if not row.of_timm:
            scores = torchvision.models.get_weight(row.source).meta["_metrics"].values()
            assert row.score in {value for score in scores for value in score.values()}, row.source


def test_the_list_needs_no_torch():
    code = (
        "import sys; sys.argv[1:] = ['--weights']; import backbones.__main__ as command; command.main()\n"
        "print('HEAVY', sorted({'torch', 'torchvision', 'timm', 'numpy', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "HEAVY []" in done.stdout
