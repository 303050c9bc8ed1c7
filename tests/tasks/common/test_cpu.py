"""Which cores there are, who may use them, and when OpenMP's threads are tied to them."""

import os
import threading
from pathlib import Path

import pytest

import tasks.common.cpu as cpu

VERSIONS = {
    "cuda": "cuda: str | None = '12.8'\nhip: str | None = None\n",
    "hip": "cuda: str | None = None\nhip: str | None = '7.1'\n",
    "cpu": "cuda: str | None = None\nhip: str | None = None\n",
}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A Linux whose torch is built for something and which has some devices; nothing is set in its environment."""
    for name in ("OMP_PROC_BIND", "OMP_PLACES", "OMP_NUM_THREADS", "LOCAL_RANK", "CUDA_VISIBLE_DEVICES", cpu.CORES):
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards
        monkeypatch.delenv(name)

    def of(built, *devices):
        (tmp_path / "version.py").write_text(VERSIONS[built])
        spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
        monkeypatch.setattr(cpu, "find_spec", lambda _name: spec)
        there = [str(tmp_path / device.strip("/").replace("/", "_")) for device in devices]
        for path in there:
            Path(path).touch()
        places = {k: [str(tmp_path / d.strip("/").replace("/", "_")) for d in v] for k, v in DEVICES.items()}
        monkeypatch.setattr(cpu, "DEVICES", places)

    return of


DEVICES = dict(cpu.DEVICES)


@pytest.mark.parametrize(
    ("built", "devices", "likely"),
    [
        ("cuda", ["/proc/driver/nvidia"], True),
        ("cuda", ["/dev/dxg"], True),  # WSL2 has no /proc/driver/nvidia
        ("hip", ["/dev/kfd"], True),
        ("cuda", [], False),
        ("cpu", ["/proc/driver/nvidia", "/dev/kfd"], False),  # a driver is no use to a torch that is built without
        ("cuda", ["/dev/kfd"], False),
    ],
)
def test_threads_are_tied_where_no_accelerator_does_the_work(machine, built, devices, likely, monkeypatch):
    machine(built, *devices)
    assert cpu.accelerator_is_likely() is likely
    assert cpu.bind_threads() is not likely and ("OMP_PROC_BIND" in os.environ) is not likely
    for name in ("OMP_PROC_BIND", "OMP_PLACES"):
        monkeypatch.delenv(name, raising=False)
    assert cpu.bind_threads("cpu"), "what was asked for needs no guess"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not cpu.accelerator_is_likely()


def test_torch_decides_in_the_end(monkeypatch):
    import torch

    lifted = []
    monkeypatch.setattr(cpu, "use_all_cores", lambda: lifted.append(1))
    for there in (False, True):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        assert cpu.give_way_to_accelerator("auto") is there and not cpu.give_way_to_accelerator("cpu")
    assert lifted == [1]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() == 1, reason="needs two cores")
def test_workers_and_pools_use_all_cores_of_a_process_that_is_tied_to_one(machine, monkeypatch):
    from tasks.data.loading.datamodule import DataModule

    machine("cpu")
    everywhere = os.sched_getaffinity(0)
    assert cpu.bind_threads()
    found = {}

    def tied():
        os.sched_setaffinity(0, {min(everywhere)})  # as OpenMP does with the thread that imports torch
        options = {"augment": {}, "crop": None, "fit": None, "progressive": None, "max_broken": 0, "batch_size": 1}
        options |= {"eval_batch_size": 1, "repeat": 1, "workers": None, "seed": 0}
        found["workers"] = DataModule(None, [0], **options).workers
        with cpu.thread_pool() as pool:
            found["threads"] = pool.submit(os.sched_getaffinity, 0).result()
        found["tied"] = os.sched_getaffinity(0)

    thread = threading.Thread(target=tied)
    thread.start()
    thread.join()
    assert found == {"workers": min(8, len(everywhere)), "threads": everywhere, "tied": {min(everywhere)}}


def test_threads_that_wait_for_each_other_soon_sleep_unless_the_user_has_chosen(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards
        monkeypatch.delenv(name)
    assert cpu.spin_briefly() and os.environ["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "77")
    assert not cpu.spin_briefly() and os.environ["GOMP_SPINCOUNT"] == "77"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert not cpu.spin_briefly() and "GOMP_SPINCOUNT" not in os.environ
