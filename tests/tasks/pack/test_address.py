"""Shards at an address: read over http through a cache of limited size; what arrives damaged is refused."""

import errno
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.packed.cache import ShardCache
from tasks.data.packed.dataset import Packed
from tasks.data.packed.pack import Packing

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and notes what was asked for."""

    asked: list[str] = []  # noqa: RUF012 - emptied by the fixture

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self.asked.append(Path(self.path).name)
        super().do_GET()


@pytest.fixture
def served(pack, folders, tmp_path, monkeypatch):
    """A packed data set of three shards, and its address."""

    def small(place, folder, _bytes, classes):
        return Packing(place, folder, 20_000, classes)

    monkeypatch.setattr("tasks.pack.command.Packing", small)
    result = pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'packed'}")
    assert result.status == 0, result.err
    Quiet.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "packed")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", tmp_path / "packed"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_gives_the_samples_of_the_folder(served, tmp_path):
    address, folder = served
    local, remote = Packed(folder).train(), Packed(address, cache=tmp_path / "cache").train()
    assert len(remote.shard_sizes) == 3
    for index in range(len(local)):
        assert np.array_equal(local.read(index)["image"], remote.read(index)["image"])
    assert Quiet.asked.count("train-000001.tar") == 1, "downloaded once"
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".tar", ".lock"}
    again = Packed(address, cache=tmp_path / "cache").train()
    assert np.array_equal(again.read(0)["image"], local.read(0)["image"])
    assert Quiet.asked.count("train-000000.tar") == 1, "found in the cache"


def test_the_cache_keeps_to_its_limit(served, tmp_path):
    address, folder = served
    size = max(shard.bytes for shard in Packed(folder).index.sides["train"].shards)
    samples = Packed(address, cache=tmp_path / "cache", cache_gb=2.5 * size / 1e9).train()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "killed.partial").write_bytes(bytes(size))
    for _ in range(2):
        for index in range(len(samples)):
            samples.shards.files.clear()  # another process, which has none of them open
            samples.read(index)
            assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 2.5 * size
    assert Quiet.asked.count("train-000000.tar") == 2, "removed for others, and brought again"
    assert not (tmp_path / "cache" / "killed.partial").exists()


def test_what_arrives_damaged_is_refused(served, tmp_path):
    address, folder = served
    path = folder / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(
        UserError, match=r"train-000000\.tar is damaged: [\d,]+ bytes came of [\d,]+, and their SHA-256"
    ):
        Packed(address, cache=tmp_path / "cache").train().read(0)
    assert not list((tmp_path / "cache").glob("*.tar")) and not list((tmp_path / "cache").glob("*.partial"))
    path.unlink()
    with pytest.raises(UserError, match=r"train-000000\.tar is missing: copy the data set again"):
        Packed(address, cache=tmp_path / "cache").train().read(0)
    with pytest.raises(UserError, match=r"no packed data set, because index\.json is missing"):
        _ = Packed(f"{address}/nowhere", cache=tmp_path / "cache").classes
    with pytest.raises(UserError, match=r"cannot re\w+ http://127\.0\.0\.1:9/x/index\.json"):
        _ = Packed("http://127.0.0.1:9/x", cache=tmp_path / "cache").classes


def test_a_server_may_send_without_end(served, tmp_path):
    address, folder = served
    for name in ("train-000000.tar", "train.npz"):
        path = folder / name
        size = path.stat().st_size
        with path.open("ab") as file:
            file.truncate(64 << 20)
        with pytest.raises(UserError, match=rf"{name} has more than {size:,} bytes"):
            Packed(address, cache=tmp_path / "cache").train().read(0)
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".lock"}


def test_a_full_read_only_cache_is_enough(served, tmp_path, monkeypatch):
    address, _ = served
    samples = Packed(address, cache=tmp_path / "cache").train()
    whole = samples.read(0)["image"]

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tasks.data.packed.cache.os.utime", refused)
    samples.shards.files.clear()
    assert np.array_equal(samples.read(0)["image"], whole)
    assert Quiet.asked.count("train-000000.tar") == 1


def test_a_full_disk_is_named(served, tmp_path, monkeypatch):
    address, _ = served

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    samples = Packed(address, cache=tmp_path / "cache").train()
    monkeypatch.setattr("tasks.data.packed.place.download", full)
    with pytest.raises(UserError, match=rf"cannot write {tmp_path / 'cache'}/\w+\.partial: No space left on device"):
        samples.read(0)


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (403, 1)])
def test_a_download_is_tried_again_if_that_may_help(status, tries, served, tmp_path, monkeypatch):
    address, _ = served
    samples, get = Packed(address, cache=tmp_path / "cache").train(), Quiet.do_GET

    def fails_twice(self) -> None:
        if Quiet.asked.count("train-000000.tar") < 2:
            self.asked.append("train-000000.tar")
            self.send_error(status)
        else:
            get(self)

    monkeypatch.setattr(Quiet, "do_GET", fails_twice)
    monkeypatch.setattr("tasks.data.packed.cache.PAUSES", (0, 0))
    if tries == 1:
        with pytest.raises(UserError, match="403, message='Forbidden'"):
            samples.read(0)
    else:
        assert samples.read(0)["image"].ndim == 3
    assert Quiet.asked.count("train-000000.tar") == tries


def test_a_slow_server_is_waited_for_as_long_as_it_sends(served):
    from fsspec.core import url_to_fs

    address, _ = served
    files, _ = url_to_fs(address, **Packed(address, cache="/nowhere").place.options())
    limit = files.client_kwargs["timeout"]
    assert limit.total is None and limit.sock_read == 60, "aiohttp ends each download after five minutes"


def test_a_cache_needs_a_folder(monkeypatch):
    monkeypatch.setenv("MOBILEVISION_CACHE", "off")
    with pytest.raises(UserError, match=r"dataset\.cache=<folder> must say where shards are kept"):
        ShardCache(None, 1)


def test_training_and_workers_read_an_address(served, command, tmp_path):
    from tests.tasks.classify.test_command import TINY

    address, _ = served
    arguments = [
        word for word in TINY if not word.startswith(("dataset", "trainer.max", "trainer.check", "data.workers"))
    ]
    more = ("trainer.max_epochs=1", "data.workers=2", "data.order=shards", "data.window=2", "pictures=0")
    cache = f"dataset.cache={tmp_path / 'cache'}"
    result = command(
        "classify", "dataset=packed", f"dataset.root={address}", cache, *arguments, *more,
        "recipe=classify_folders", f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert max(Quiet.asked.count(f"train-{number:06d}.tar") for number in range(3)) == 1, "once for all processes"


def test_an_address_of_somebody_else_s_checkpoint_is_not_asked(served, command, tmp_path):
    import torch

    from tests.tasks.classify.test_command import TINY

    address, folder = served
    arguments = [word for word in TINY if not word.startswith(("dataset", "trainer.max", "trainer.check"))]
    more = ("trainer.max_epochs=1", "pictures=0", "recipe=classify_folders", f"hydra.run.dir={tmp_path / 'run'}")
    assert command("classify", "dataset=packed", f"dataset.root={folder}", *arguments, *more).status == 0
    best = tmp_path / "run/checkpoints/best.ckpt"
    checkpoint = torch.load(best, weights_only=True)
    checkpoint["mobilevision"]["config"]["dataset"]["root"] = address
    torch.save(checkpoint, best)
    Quiet.asked.clear()
    result = command("classify", "mode=evaluate", f"checkpoint={best}", f"hydra.run.dir={tmp_path / 'other'}")
    assert result.status == 2 and "dataset.root" in result.err and Quiet.asked == []
