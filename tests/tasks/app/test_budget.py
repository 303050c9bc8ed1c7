"""Budgets are held before anything is trained, with the figures."""

TINY = (
    *("dataset=folders", "backbone=mobilenet_v3_small", "backbone.width=0.35", "wants.skip_strides=2", "head.hidden=0"),
    *("data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32", "data.augment={}", "data.batch_size=4"),
    *("data.workers=0", "cpu.keep_freed_memory=false", "trainer.accelerator=cpu", "trainer.max_epochs=1", "pictures=0"),
)


def test_a_network_beyond_its_budget_is_not_trained(command, folders, tmp_path):
    run = (*TINY, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / 'run'}")
    result = command("classify", *run, "budget.params=100k", "budget.madds=1G")
    assert result.status == 2 and len(result.err.splitlines()) == 1
    assert "exceeds its budget at 32×32" in result.err
    assert "params (budget.params: 100k params)" in result.err and "(budget.madds: 1G multiply-adds)" in result.err
    assert not (tmp_path / "run").exists()
    result = command("classify", *run, "budget.latency_ms=0.0001")
    assert result.status == 2 and "one thread" in result.err and "budget.latency_ms: 0.0001 ms" in result.err
    result = command("classify", *run, "budget.params=lots")
    assert result.status == 2 and "budget.params=lots is not a number above 0 such as 60M" in result.err


def test_a_network_within_its_budget_is_trained(command, folders, tmp_path):
    folder = tmp_path / "run"
    result = command(
        "classify", *TINY, f"dataset.root={folders}", f"hydra.run.dir={folder}", "budget.params=3M",
        "budget.latency_ms=10000",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "budget    at 32×32, one thread:" in result.out and (folder / "metrics.json").is_file()
