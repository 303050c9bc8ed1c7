"""Jobs of a sweep in processes that submitit starts, as on a SLURM cluster: the local executor, the real command."""

import subprocess
import sys

import pytest

from tasks.app.jobs import lost_job
from tests.tasks.app.test_distributed import ROOT
from tests.tasks.classify.test_command import TINY


def test_jobs_of_submitit_end_in_one_table_and_their_failures_are_told(folders, tmp_path):
    pytest.importorskip("submitit")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = [word for word in TINY if not word.startswith(("optimizer.lr", "trainer.max_epochs"))]
    command = [sys.executable, "-m", "tasks.classify", "-m", "hydra/launcher=submitit_local", "seed=0,1"]
    command += ["optimizer.lr=0.01,-1", *words, "trainer.max_epochs=1", f"dataset.root={folders}"]
    done = subprocess.run(
        [*command, f"hydra.sweep.dir={tmp_path / 'sweep'}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    for line in ("job 1 (seed=0 optimizer.lr=-1): ", "job 3 (seed=1 optimizer.lr=-1): "):
        assert f"error: {line}optimizer.lr=-1 is not a number above 0" in done.stderr
    assert "Traceback" not in done.stderr
    rows = (tmp_path / "sweep" / "comparison.csv").read_text().splitlines()
    assert len(rows) == 3 and "compare.html" in done.stdout


def test_a_job_that_was_killed_is_one_line(tmp_path, capsys):
    class UncompletedJobError(RuntimeError):
        """As submitit's."""

    said = f"Job 7 (task: 0) with path {tmp_path}/.submitit/7/7_0_result.pkl\nhas not produced any output"
    assert lost_job(UncompletedJobError(said)).endswith(said.splitlines()[0])
    assert lost_job(RuntimeError(said)) == "", "a bug keeps its traceback"
