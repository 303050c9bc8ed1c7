"""What a sweep's page says beyond its runs: their names, means over seeds, and the command of all."""

from tasks.report.collect import collect
from tasks.report.sweep import over_seeds, telling


def test_numbers_get_what_was_typed_for_one_run_and_not_for_all():
    seeds = [[["seed", "0"], ["backbone.width", "0.5"]], [["seed", "1"], ["backbone.width", "0.5"]]]
    assert telling(["0", "1"], seeds) == ["0: seed=0", "1: seed=1"]
    assert telling(["first", "second"], seeds) == ["first", "second"]
    assert telling(["0", "1"], [seeds[0], seeds[0]]) == ["0", "1"], "nothing differs"
    assert telling(["0", "1"], [[["plugins", "x" * 99]], []]) == ["0: plugins=" + "x" * 31 + "…", "1"]


def test_means_stand_beside_their_deviations(tmp_path):
    assert over_seeds(tmp_path) is None
    (tmp_path / "summary.csv").write_text(
        "backbone.width,runs,params,top1,top1 sd,sd\n0.5,2,1000,0.6,0.14,7\n1.0,1,,0.9,,\n"
    )
    assert over_seeds(tmp_path) == {
        "columns": ["backbone.width", "runs", "params", "top1", "sd"],
        "rows": [[0.5, 2, 1000, [0.6, 0.14], 7], [1, 1, None, [0.9, None], None]],
    }


def test_a_sweeps_folder_says_its_command(tmp_path):
    (tmp_path / "benchmark.json").write_text("[]")
    (tmp_path / "multirun.yaml").write_text(
        "hydra:\n  job: {name: classify}\n  overrides: {task: [mode=benchmark, 'backbone.width=0.5,1']}\n"
    )
    assert collect(tmp_path)["run"]["command"] == "python -m tasks.classify -m mode=benchmark backbone.width=0.5,1"
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[seed=1]")
    (tmp_path / ".hydra" / "hydra.yaml").write_text("hydra: {job: {name: segment}}")
    assert collect(tmp_path)["run"]["command"] == "python -m tasks.segment seed=1", "of one of its runs"
