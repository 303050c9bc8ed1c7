"""python -m tasks.multitask.compare: what it refuses, how it shares out the time, its runs, and its table."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from tasks.checkpoint.metadata import BUILT
from tasks.common.errors import UserError
from tasks.common.spread import Spread
from tasks.common.task_info import infos
from tasks.multitask.compare import compare, parse
from tasks.multitask.latency import Latency
from tasks.multitask.runs import SHARED, Pace, Runs, child, quoted, reason
from tasks.multitask.table import RATIO, SUM, over_seeds, print_comparison, tabulate, write_comparison
from tests.patience import LONG, wait_until

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("minutes=0", "minutes=0 is not a number above 0"),
        ("minutes=-1", "minutes=-1 is not"),
        ("minutes=abc", "minutes=abc is not"),
        ("minutes=nan", "minutes=nan is not"),
        ("minutes=inf", "minutes=inf is not"),
        ("seed=1", "minutes=… is missing"),
        ("minutes=1 heads=[segment]", "nothing to compare"),
        ("minutes=1 heads=segment", "is not a list"),
        ("minutes=1 heads=[segment,detekt]", "detekt is not one of segment, detect, classify"),
        ("minutes=1 heads=[segment,segment]", "names segment twice"),
        ("minutes=1 trainer.max_epochs=3", "minutes=… says how long"),
        ("minutes=1 +mode=evaluate", "each network is trained"),
        ("minutes=1 -m", "-m: not of the form key=value"),
        ("minutes=1 datasets=[coco", "datasets="),
        ("minutes=1 output=tests", "is there already"),
        ("minutes=1 seeds=[0,0]", r"seeds=\[0,0\] has a seed twice"),
        ("minutes=1 seeds=[0,1] seed=2", r"seed=2: not here, seeds=\[0,1\] says which"),
    ],
)
def test_what_is_refused_before_anything_runs(arguments, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=".*".join(message.split("…"))):
        parse(arguments.split())


def test_the_rest_goes_to_the_runs():
    asked = parse(["minutes=0.5", "heads=[detect, segment]", "output=there", "dataset=coco", "~experiment"])
    assert (asked.minutes, asked.heads, asked.output.name) == (0.5, ["detect", "segment"], "there")
    assert asked.overrides == ["dataset=coco", "~experiment"]
    assert parse(["minutes=1", "heads=null"]).heads is None


def test_a_mistake_is_one_line_without_torch():
    code = (
        "import sys; from tasks.multitask.compare import main\n"
        "try: main()\n"
        "except SystemExit as leave: print('STATUS', leave.code)\n"
        "print('HEAVY', sorted({'torch', 'lightning', 'rich.table'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, "minutes=0"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["STATUS 2", "HEAVY []"]
    assert done.stderr == "error: minutes=0 is not a number above 0\n"


def test_as_many_epochs_as_fit_and_one_at_least():
    assert [Pace(before=10, epoch=5).epochs(seconds) for seconds in (1, 15, 29.9, 30)] == [1, 1, 3, 4]


@pytest.fixture
def recorded(monkeypatch):
    """Runs that only note what they are told; an epoch takes 2 s with all heads, 1 s with one, and 1 s before it."""
    calls = []

    def run(self, folder, heads, epochs, *more):
        calls.append((str(folder.relative_to(self.folder)), heads, epochs, more))
        folder.mkdir(parents=True)
        epoch = 2.0 if folder.name == SHARED else 1.0
        training = {"seconds": 1 + epoch * epochs, "last_epoch_seconds": epoch, "epochs": epochs, "images": 4}
        (folder / "training.json").write_text(json.dumps(training))
        (folder / "network.json").write_text(
            json.dumps({"height": 1, "width": 2, "segment": {}, "detect": {}, SHARED: {}})
        )

    monkeypatch.setattr(Runs, "run", run)
    monkeypatch.setattr("tasks.app.rehearsal.rehearse", lambda *_: None)  # which draws the default data set
    monkeypatch.setattr("tasks.multitask.latency.latencies", lambda folders: dict.fromkeys(folders))
    monkeypatch.setattr("tasks.multitask.table.tabulate", lambda *_: {SHARED: {}})
    return calls


def test_both_sides_train_equally_long(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(Runs, "leave_out_data", lambda *_: None)
    compare(parse(["minutes=1", f"output={tmp_path / 'out'}"]))
    assert recorded == [
        (f"trials/{SHARED}", None, 1, ("pictures=0",)),
        ("trials/segment", ["segment"], 1, ("pictures=0",)),
        ("trials/detect", ["detect"], 1, ("pictures=0",)),
        (SHARED, ["segment", "detect"], 29, ()),  # 60 s: 1 + 29 · 2
        ("segment", ["segment"], 29, ()),  # 30 s each: 1 + 29 · 1
        ("detect", ["detect"], 29, ()),
    ]


def test_every_seed_trains_all_networks(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(Runs, "leave_out_data", lambda *_: None)
    compare(parse(["minutes=1", "seeds=[3,5]", f"output={tmp_path / 'out'}"]))
    assert [(name, epochs, more) for name, _, epochs, more in recorded[3:]] == [
        (f"{name}_seed_{seed}", 29, (f"seed={seed}",)) for seed in (3, 5) for name in (SHARED, "segment", "detect")
    ]


def test_a_data_set_for_one_head_is_not_compared(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(Runs, "heads_of_trial", lambda *_: ["detect"])
    with pytest.raises(UserError, match="nothing to compare"):
        compare(parse(["minutes=1", f"output={tmp_path / 'out'}"]))
    assert len(recorded) == 1


def test_a_separate_network_trains_on_the_data_sets_that_it_has_a_use_for(tmp_path):
    path = tmp_path / "trials" / SHARED / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    config = {"datasets": {"a": {}, "b": {}, "c": {}}, "data": {"draw": {"a": 1.0, "b": 2.0}, "own_augment": {}}}
    parts = {name: {"target": info.target, "head": {}, "task": {}} for name, info in infos().items()}
    config = {key: {} for key in BUILT} | config | parts | {"heads": ["segment", "detect"]}
    heads = {
        "segment": {"datasets": ["a"], "target": "mask", "classes": [["road", 7, [0, 0, 0]]]},
        "detect": {"datasets": ["b", "c"], "target": "boxes", "classes": [["car", 1]]},
    }
    metadata = {"format": 1, "task": "multitask", "config": config, "tasks": heads}
    torch.save({"mobilevision": metadata, "state_dict": {}}, path)
    runs = Runs(tmp_path, [])
    runs.leave_out_data(list(heads))
    assert runs.without["segment"] == ["~datasets.b", "~datasets.c", "~data.draw.b", "batchnorm=shared"]
    assert runs.without["detect"] == ["~datasets.a", "~data.draw.a"]


def test_a_run_that_fails_says_why(tmp_path):
    runs = Runs(tmp_path / "a, 'b'=c", ["dataset=cityscapes", "dataset.root=/nowhere"])
    with pytest.raises(UserError, match=r"^detect: .*nowhere") as raised:
        runs.time("detect", ["detect"])
    assert "\n" not in str(raised.value)


def test_reason():
    assert reason("a\nerror: this\nb\n", 2) == "this"
    assert reason("error: job 0: this\nerror: 1 job failed\n", 2) == "job 0: this"
    assert reason("Traceback\nValueError: that\n\n", 1) == "ValueError: that"
    assert reason("", 3) == "exit status 3"


def test_paths_with_anything_in_them():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for text in ("/a, b/c=d", "/it's", "/back\\slash", "/{x}[y]", "/it\\'s", "/end\\", "/two\\\\"):
        override = OverridesParser.create().parse_override(f"hydra.run.dir={quoted(Path(text))}")
        assert override.value() == text


def test_no_run_outlives_the_command(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(KeyboardInterrupt), child(sleeper, tmp_path / "log") as process:
        raise KeyboardInterrupt
    assert process.poll() == -signal.SIGTERM


def is_training(number: str) -> bool:
    """Whether a child is a training, not the tracker of the pool that drew the scenes."""
    try:
        return b"mobilevision.py\0multitask" in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_run_under_way(number, status, tmp_path):
    scenes = ("dataset.train=2", "dataset.val=2", f"dataset.root={tmp_path / 'streets'}")
    command = [sys.executable, "-m", "tasks.multitask.compare", "minutes=1", f"output={tmp_path / 'out'}", *scenes]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background inherits deaf ears
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=heard)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("no /proc here")
    while b"timing an epoch" not in process.stdout.readline():
        assert process.poll() is None, "it ended before"
    run: list[str] = []
    wait_until(lambda: run.extend(filter(is_training, children.read_text().split())) or run or process.poll())
    assert process.poll() is None, "it ended before"
    process.send_signal(number)
    assert process.wait(LONG) == status
    with pytest.raises(ProcessLookupError):
        os.kill(int(run[0]), 0)


def results(folder, costs, scores, seconds, epochs):
    """A run's folder."""
    folder.mkdir()
    (folder / "network.json").write_text(json.dumps({"height": 4, "width": 8, **costs}))
    (folder / "metrics.json").write_text(json.dumps({**scores, "images": 3, "seconds": 1.0}))
    (folder / "training.json").write_text(json.dumps({"seconds": seconds, "epochs": epochs, "images": 9}))
    return folder


@pytest.fixture
def rows(tmp_path):
    """Of two heads: segmentation 10 params and 1 ms, detection 30 and 3 ms, as one network 20 and 2 ms."""
    segment, detect, both = ({"params": params, "multiply_adds": 10 * params} for params in (10, 30, 20))
    folders = {
        SHARED: results(
            tmp_path / SHARED,
            {"segment": segment, "detect": detect, SHARED: both},
            {"segment/mIoU": 0.5, "segment/iou/road": 0.9, "detect/mAP": 0.2, "detect/mAP50": 0.4},
            seconds=120,
            epochs=7,
        ),
        "segment": results(tmp_path / "segment", {"segment": segment}, {"mIoU": 0.6}, seconds=60, epochs=8),
        "detect": results(tmp_path / "detect", {"detect": detect}, {"mAP": None, "mAP50": 0.3}, seconds=90, epochs=9),
    }
    latencies = {SHARED: Latency(2.0, 4.0), "segment": Latency(1.0, 2.0), "detect": Latency(3.0, 6.0)}
    return tabulate(["segment", "detect"], folders, latencies)


def test_the_table(rows):
    assert list(rows) == ["segment", "detect", SUM, SHARED, RATIO]
    assert rows["segment"] == {
        "params": 10, "multiply_adds": 100, "network_ms": 1.0, "whole_ms": 2.0, "minutes": 1.0, "epochs": 8,
        "segment/mIoU": 0.6,
    }  # fmt: skip
    assert rows[SUM] == {
        "params": 40, "multiply_adds": 400, "network_ms": 4.0, "whole_ms": 8.0, "minutes": 2.5,
        "segment/mIoU": 0.6, "detect/mAP": None, "detect/mAP50": 0.3,
    }  # fmt: skip
    assert rows[SHARED]["epochs"] == 7 and rows[SHARED]["segment/mIoU"] == 0.5
    assert rows[RATIO] == {"params": 0.5, "multiply_adds": 0.5, "network_ms": 0.5, "whole_ms": 0.5, "minutes": 0.8}


def test_scores_over_seeds(rows, tmp_path, capsys):
    assert over_seeds([rows]) == rows
    other = {name: dict(row) for name, row in rows.items()}
    other["segment"]["segment/mIoU"], other["segment"]["minutes"] = 0.7, 2.0
    found = over_seeds([rows, other])
    assert found["segment"]["segment/mIoU"] == Spread.of([0.6, 0.7]) and found["segment"]["minutes"] == 1.5
    assert found[SUM]["detect/mAP"] is None and found["segment"]["epochs"] == 8
    write_comparison(tmp_path, found)
    kept = json.loads((tmp_path / "comparison.json").read_text())["segment"]["segment/mIoU"]
    assert kept == {"mean": pytest.approx(0.65), "sd": pytest.approx(0.005**0.5), "size": 2}
    assert "segment/mIoU,segment/mIoU sd" in (tmp_path / "comparison.csv").read_text()
    print_comparison(found)
    assert "0.6500 ±" in capsys.readouterr().out


def test_the_table_as_files_and_on_the_terminal(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    write_comparison(tmp_path, rows)
    assert json.loads((tmp_path / "comparison.json").read_text()) == rows
    lines = (tmp_path / "comparison.csv").read_text().splitlines()
    assert lines[0].startswith("network,params,multiply_adds,network_ms") and lines[1].startswith("segment,10,100,1.0")
    print_comparison(rows)
    shown = capsys.readouterr().out
    assert "…" not in shown and "shared / sum   0.50" in shown and "0.6000" in shown
