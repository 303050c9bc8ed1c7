"""The table over the runs of -m: of mode=benchmark; that of trainings is tested with the real command."""

import csv
import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tasks.app.sweep import Comparison


def write_run(folder: Path, overrides: list[str], *names: str) -> None:
    """What a run of mode=benchmark leaves of networks of these names."""
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), folder / ".hydra" / "overrides.yaml")
    number = int(folder.name)
    times = {f"{stage}_p50_ms": 1.0 + number for stage in ("prepare", "network", "finish", "whole")}
    where = {"runtime": "torch 2", "precision": "fp32", "device": "cpu", "threads": 1, "photo": "36×48"}
    costs = {"height": 32, "width": 64, "params": 10**6, "multiply_adds": 10**7 * (1 + number)}
    rows = [{"name": name, **where, **costs, **times, "network_p95_ms": 9.0} for name in names]
    (folder / "benchmark.json").write_text(json.dumps(rows))


def end(sweep: Path) -> list[dict[str, str]]:
    """What Hydra calls behind the last run; the table's lines."""
    Comparison().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep)}}}))
    with (sweep / "benchmark.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_runs_are_named_by_what_differs_in_their_order(tmp_path, capsys):
    for number in (10, 2):
        write_run(tmp_path / str(number), ["mode=benchmark", f"backbone.width=0.{number}"], "MobileNetV2 + LRASPP")
    rows = end(tmp_path)
    assert [row["name"] for row in rows] == ["0.2", "0.10"]
    assert [row["network_p50_ms"] for row in rows] == ["3.0", "11.0"]
    assert (tmp_path / "pareto.png").is_file() and not (tmp_path / "comparison.csv").exists()
    out = capsys.readouterr().out
    assert "0.10" in out and f"report    {tmp_path / 'report.html'}" in out and (tmp_path / "report.html").is_file()


def test_runs_of_several_networks_keep_their_names(tmp_path):
    for number, path in enumerate(("runs/a", "runs/b")):
        overrides = ["mode=benchmark", f"benchmark.size=[{path}]", f"checkpoint={path}/best.ckpt"]
        write_run(tmp_path / str(number), overrides, "model.onnx", "model.xml")
    names = [row["name"] for row in end(tmp_path)]
    assert names == [f"{run}] {run}/best.ckpt {file}" for run in ("a", "b") for file in ("model.onnx", "model.xml")]


def write_trained(sweep: Path, *runs: tuple[str, int, float]) -> None:
    """What trainings leave, of (width, seed, score)."""
    for number, (width, seed, score) in enumerate(runs):
        run = sweep / str(number)
        (run / ".hydra").mkdir(parents=True)
        OmegaConf.save(OmegaConf.create([f"backbone.width={width}", f"seed={seed}"]), run / ".hydra" / "overrides.yaml")
        costs = {"height": 32, "width": 64, "classify": {"params": 1000, "multiply_adds": 5}}
        (run / "network.json").write_text(json.dumps(costs))
        (run / "metrics.json").write_text(json.dumps({"top1": score, "images": 80}))


def test_one_seed_of_each_setting_has_no_spread(tmp_path, capsys):
    write_trained(tmp_path, ("0.5", 0, 0.5), ("1.0", 0, 0.9))
    Comparison().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert "one seed  of each: what differs by chance is not told apart" in capsys.readouterr().out
    assert not (tmp_path / "summary.csv").exists()


def test_seeds_end_in_means(tmp_path, capsys):
    write_trained(tmp_path, ("0.5", 0, 0.5), ("0.5", 1, 0.7), ("1.0", 0, 0.9))
    Comparison().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    with (tmp_path / "summary.csv").open() as file:
        half, whole = csv.DictReader(file)
    assert (half["backbone.width"], half["runs"], half["params"]) == ("0.5", "2", "1000")
    assert float(half["top1"]) == 0.6 and float(half["top1 sd"]) == pytest.approx(0.02**0.5)
    assert (whole["runs"], whole["top1"], whole["top1 sd"]) == ("1", "0.9", "")
    said = capsys.readouterr().out
    assert "without   seed=1 of backbone.width=1.0: 1 of 2 runs" in said and "one seed" not in said
    assert (
        "mean ± sd (n - 1) over seeds" in said
        and "0.6000 ± 0.1414" in said
        and "$\\pm$" in (tmp_path / "summary.tex").read_text()
    )


def test_a_single_run_has_its_networks_name(tmp_path):
    write_run(tmp_path / "0", ["mode=benchmark"], "MobileNetV2 + LRASPP")
    assert [row["name"] for row in end(tmp_path)] == ["MobileNetV2 + LRASPP"]
