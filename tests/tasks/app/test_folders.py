"""Runs never share a folder: who takes it, who refuses, and which process of several writes."""

import json
import pickle
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from omegaconf import OmegaConf

from tasks.app.folders import OwnFolder, claimed, locked, own_folder
from tasks.common.errors import UserError
from tasks.common.ranks import is_first

SLURM = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train", "SLURM_LOCALID": "0"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4"}


def composed(folder: Path | str, *typed: str, **settings: object):
    """What Hydra hands to the callback."""
    hydra = {
        "run": {"dir": str(folder)},
        "sweep": {"dir": str(folder)},
        "output_subdir": ".hydra",
        "overrides": {"hydra": list(typed)},
    }
    return OmegaConf.create({"mode": "train", "overwrite": False, "resume": None, "hydra": hydra} | settings)


def chosen(folder: Path, *typed: str, **settings: object) -> Path:
    return own_folder(folder, composed(folder, *typed, **settings), "hydra.run.dir")


@pytest.mark.parametrize("mark", [".hydra", "multirun.yaml"])
def test_of_runs_that_begin_together_one_gets_the_folder(tmp_path, mark):
    barrier = Barrier(8)

    def begin(_number: int) -> bool:
        barrier.wait()
        return claimed(tmp_path / "run", mark)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(8))) == 1


def test_runs_of_one_second_get_numbers(tmp_path):
    taken = [chosen(tmp_path / "12-00-00").name for _ in range(3)]
    assert taken == ["12-00-00", "12-00-00_2", "12-00-00_3"]
    typed = "hydra.run.dir=${now:%H-%M-%S}"  # typed, but no name of the user's
    assert chosen(tmp_path / "12-00-00", typed).name == "12-00-00_4"


@pytest.mark.parametrize("name", ["index.csv", "model.json", "metrics.csv", "labels", "run.log"])
def test_what_looks_like_a_runs_output_is_not_written_over(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"holds another run \({name}\)"):
        chosen(tmp_path, f"hydra.run.dir={tmp_path}")


@pytest.mark.parametrize("below", ["", "train/red"])
def test_data_sets_are_only_read(tmp_path, below):
    folder = tmp_path / "photos" / below
    folder.mkdir(parents=True)
    typed = f"hydra.run.dir={folder}"
    for data in ({"dataset": {"root": str(tmp_path / "photos")}}, {"datasets": {"a": {"root": str(tmp_path)}}}):
        with pytest.raises(UserError, match=r"lies in the data set at .*: name another folder$"):
            chosen(folder, typed, overwrite=True, **data)
    assert chosen(folder, typed, dataset={"root": str(tmp_path / "elsewhere")}, datasets=None) == folder


@pytest.mark.parametrize("of_file", ["checkpoint", "model", "resume"])
def test_the_data_set_of_a_checkpoint_or_file_is_only_read(tmp_path, of_file):
    """The command line names none: it stands in the file."""
    data, folder = tmp_path / "photos", tmp_path / "photos" / "run"
    config = {"dataset": {"root": str(data)}, "datasets": {"a": {"train": {"images": "${oc.env:HOME}"}}, "b": 3}}
    if of_file == "model":
        path = tmp_path / "model.onnx"
        path.with_name("card.json").write_text(json.dumps({"config": config}))
    else:
        path = tmp_path / "best.ckpt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("best/data.pkl", pickle.dumps({"mobilevision": {"config": config}}, protocol=2))
    typed, used = f"hydra.run.dir={folder}", {"mode": "train" if of_file == "resume" else "export", of_file: str(path)}
    with pytest.raises(
        UserError, match=r"run lies in the data set at .*photos, which is only read: name another folder$"
    ):
        chosen(folder, typed, **used)
    assert not folder.exists()
    other = composed(folder, typed, **used)
    other.hydra.overrides.task = ["dataset.root=elsewhere"]
    assert own_folder(folder, other, "hydra.run.dir") == folder  # the data are other ones


def test_a_file_in_the_way_is_named_with_the_key(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=rf"^hydra\.run\.dir={folder}: (file exists|not a directory)$"):
            chosen(folder, f"hydra.run.dir={folder}")


def test_a_folder_that_was_typed_is_refused_if_it_holds_a_run(tmp_path):
    folder, typed = tmp_path / "run", f"hydra.run.dir={tmp_path / 'run'}"
    folder.mkdir()
    (folder / "notes.txt").write_text("empty but for this")
    assert chosen(folder, typed) == folder
    (folder / "checkpoints").mkdir()
    last = folder / "checkpoints" / "last.ckpt"
    with pytest.raises(
        UserError, match=r"run holds another run \(\.hydra\): name a new folder; overwrite=true writes over it$"
    ):
        chosen(folder, typed)
    last.touch()
    with pytest.raises(UserError, match=r"resume=.*/run/checkpoints/last.ckpt goes on with it$"):
        chosen(folder, typed)
    assert chosen(folder, typed, resume=str(last)) == folder, "goes on where it was"
    with pytest.raises(UserError, match="holds another run"):
        chosen(folder, typed, resume=str(tmp_path / "elsewhere" / "last.ckpt"))
    assert chosen(folder, typed, search={"study": str(folder / "study.log")}) == folder


def test_what_is_written_over_leaves_no_result_behind(tmp_path):
    folder, typed = tmp_path / "run", f"hydra.run.dir={tmp_path / 'run'}"
    for name in (".hydra", "0/.hydra", "mine", "report/detect", "0/report"):
        (folder / name).mkdir(parents=True)
    records = ("report/run.json", "report/detect/pictures.json", "0/report/run.json")
    others = ("events.out.tfevents.1.host.2.0", "logger.json")
    for name in ("metrics.json", "0/metrics.json", "mine/metrics.json", *others, *records):
        (folder / name).touch()
    assert chosen(folder, typed, overwrite=True) == folder and not [*folder.glob("events*")]
    assert [str(path.relative_to(folder)) for path in folder.rglob("*.json")] == ["mine/metrics.json"]


def test_the_command_refuses_and_touches_nothing(command, tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "config.yaml").write_text("of a training")
    for key, more in (("run", ()), ("sweep", ("-m", "seed=0,1"))):
        result = command("segment", *more, "mode=export", "checkpoint=best.ckpt", f"hydra.{key}.dir={tmp_path}")
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith(f"error: hydra.{key}.dir={tmp_path} holds another run")
        assert len(result.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hydra", "config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == "of a training"


def test_a_folder_that_is_a_file_is_refused(command, tmp_path):
    (tmp_path / "file").touch()
    result = command("segment", f"hydra.run.dir={tmp_path / 'file' / 'run'}")
    assert result.status == 2 and str(tmp_path / "file") in result.err and len(result.err.splitlines()) == 1


def test_a_run_that_is_under_way_is_not_written_over(tmp_path):
    held = f"from pathlib import Path; from tasks.app.folders import locked; f = locked(Path({str(tmp_path)!r})); "
    other = subprocess.Popen(
        [sys.executable, "-c", held + "print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    with other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another process is writing there"):
            locked(tmp_path)
        other.kill()
    assert locked(tmp_path) is not None, "the system takes the lock back from whoever is killed"


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0"}, True),
        ({**TORCHRUN, "RANK": "2", "LOCAL_RANK": "0"}, False),  # the first of the second machine
        ({**SLURM, "SLURM_PROCID": "0"}, True),
        ({**SLURM, "SLURM_PROCID": "1"}, False),
        ({**SLURM, "SLURM_PROCID": "1", "SLURM_JOB_NAME": "bash"}, True),  # typed by hand: a run of its own
        ({**SLURM, **TORCHRUN, "SLURM_PROCID": "1", "RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "3"}, True),  # of some other launcher, which Lightning does not heed either
    ],
)
def test_one_process_of_all_machines_is_the_first(environment, first):
    assert is_first(environment) is first


def test_processes_after_the_first_write_to_no_ones_folder(monkeypatch, tmp_path):
    for name, value in (SLURM | {"SLURM_PROCID": "1"}).items():
        monkeypatch.setenv(name, value)
    config, callback = composed(tmp_path / "run"), OwnFolder()
    callback.on_run_start(config)
    assert config.hydra.output_subdir is None and not (tmp_path / "run").exists()
    spare = Path(config.hydra.run.dir)
    assert spare.is_dir()
    del callback
    assert not spare.exists()
    alone = composed(tmp_path / "search", mode="search")  # each process is a run of its own
    OwnFolder().on_run_start(alone)
    assert Path(alone.hydra.run.dir) == tmp_path / "search" and (tmp_path / "search" / ".hydra").is_dir()


def test_two_jobs_of_a_sweep_share_no_folder(capsys):
    callback, config = OwnFolder(), OmegaConf.create({"hydra": {"runtime": {"output_dir": "/sweep/seed0"}}})
    callback.on_job_start(config)
    with pytest.raises(SystemExit) as stop:
        callback.on_job_start(config)
    assert stop.value.code == 2 and "hydra.sweep.subdir=seed0: two jobs" in capsys.readouterr().err


def test_a_disk_without_room_is_named(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # as a full disk
        "from tasks.app.cli import main; main('segment')"
    )
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    for words in ([f"hydra.run.dir={tmp_path / 'kept'}"],
                  ["-m", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-B", "-c", code, *words, "dataset=streets"],
            cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2 and done.stderr.startswith(f"error: {words[-1]}: File too large ("), done.stderr
        assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["notes.txt"]
