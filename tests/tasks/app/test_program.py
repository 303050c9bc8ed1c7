"""train() and evaluate(): commands in processes of their own, their scores and their errors."""

import json
import re
import signal
import subprocess
import sys

import pytest

from tasks.app import program
from tasks.app.program import evaluate, follow, new_folder, spelled, train, words_of
from tasks.common.errors import Diverged, UserError
from tasks.common.processes import command_of
from tests.tasks.app.test_load import EXPORTED, SEGMENT


def test_keys_as_python_values():
    keys = {
        "backbone": "mobilenet_v2",
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "ema": None,
        "check": False,
        "image_size": [64, 96],
        "optimizer.lr": 1e-3,
        "dataset": {"root": "/data/it's (new), a=b"},
        "data.crop": {},
    }
    assert words_of(["seed=1"], keys) == [
        "seed=1",
        "backbone=mobilenet_v2",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "ema=null",
        "check=false",
        "image_size=[64,96]",
        "optimizer.lr=0.001",
        r"dataset.root='/data/it\'s (new), a=b'",
        "data.crop={}",
    ]
    assert spelled([{"a": 1, "b": ["x", True]}]) == "[{a:1,b:[x,true]}]"
    with pytest.raises(UserError, match=r"\{1\}: a value of a key is a number, text"):
        spelled({1})


def test_train_and_evaluate(cityscapes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()  # a folder of the user's
    (tmp_path / "tasks" / "__init__.py").touch()
    tiny = {"accelerator": "cpu", "max_epochs": 1, "limit_train_batches": 1}
    data = {"dataset.root": cityscapes, "data.workers": 0, "data.batch_size": 2}
    small = ["dataset=cityscapes", "recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "pictures=0"]
    run = train("segment", *small, trainer=tiny, **data)
    printed = capsys.readouterr().out
    assert "epoch 1/1" in printed and run.folder.parent.name == "segment"
    assert run == json.loads((run.folder / "metrics.json").read_text()) and run["images"] == 5
    assert repr(run).startswith(f"Run('{run.folder}', {{'mIoU': ")
    again = evaluate(run.checkpoint, trainer={"accelerator": "cpu"})
    assert again["mIoU"] == run["mIoU"] and again.folder != run.folder
    with pytest.raises(UserError, match=r"has no checkpoints/best\.ckpt: it is no training's"):
        _ = again.checkpoint


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train("segment", backbone="mobilenet_v9"), "backbone=mobilenet_v9: no such option"),
        (
            lambda: train("segmnt"),
            r"train\('segmnt'\): no such task \(did you mean segment\?\); there are segment, detect",
        ),
        (lambda: train("predict"), r"train\('predict'\): no such task; there are"),
        (lambda: train(3), r"train\(3\): no such task; there are segment"),
        (lambda: train("segment", 3), '3: an override is a text, "trainer.max_epochs=2", or a keyword argument'),
        (lambda: train("segment", {"seed": 1}), r"\{'seed': 1\}: an override is a text"),
        (lambda: train("segment", "--keys"), "--keys is for the command line"),
        (lambda: train("segment", mode="export"), "mode=export: this is mode=train"),
        (lambda: evaluate(3), r"evaluate\(\) takes the path of a checkpoint or an exported file, not int"),
        (lambda: evaluate(""), r"evaluate\(''\): not a path"),
        (lambda: train("segment", "-m", "seed=0,1"), "-m is for the command line"),
        (lambda: evaluate("none.ckpt"), "no checkpoint at none.ckpt"),
        (lambda: evaluate(EXPORTED, "dataset=cityscapes", dataset={"root": "none"}), "none"),
    ],
)
def test_mistakes_are_user_errors(call, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert not str(caught.value).startswith("error: ") and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("outputs/*/*")) and "error:" not in capfd.readouterr().out


def test_a_training_that_was_not_scored_has_no_scores(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "follow", lambda command: (0, ""))
    assert train("segment", stop_after=1) == {}


def test_a_folder_of_options_of_ones_own():
    assert words_of(["--config-dir", "mine", "~scale"], {}) == ["--config-dir", "mine", "~scale"]
    assert words_of(["--config-dir=mine"], {}) == ["--config-dir=mine"]


def test_the_command_of_each_file(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(program, "run", lambda *given: called.append(given))
    evaluate(SEGMENT, seed=3)
    evaluate(EXPORTED, "dataset=cityscapes")
    assert called == [
        ("segment", "evaluate", [f"checkpoint='{SEGMENT}'", "seed=3"]),
        ("segment", "evaluate", [f"model='{EXPORTED}'", "dataset=cityscapes"]),
    ]


@pytest.mark.parametrize(("status", "kind"), [(2, UserError), (3, Diverged), (1, RuntimeError), (143, RuntimeError)])
def test_exit_statuses(monkeypatch, tmp_path, status, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "follow", lambda command: (status, "epoch 1\nerror: why\n"))
    with pytest.raises(kind) as caught:
        train("segment")
    assert caught.type is kind and str(caught.value) == ("why" if status < 4 and status > 1 else str(caught.value))
    monkeypatch.setattr(program, "follow", lambda command: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train("segment")


def test_lines_come_as_they_are_printed_and_an_interrupt_is_passed_on(monkeypatch):
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background inherits deaf ears
        "try: print('begun', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('stopped', flush=True)\n"
    )
    seen = []

    def write(text):
        seen.append(text)
        if text == "begun\n":
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", type("Out", (), {"write": staticmethod(write), "flush": lambda *_: None})())
    with pytest.raises(KeyboardInterrupt):
        follow([sys.executable, "-c", code])
    assert seen == ["begun\n", "stopped\n"]


def test_a_command_whose_start_is_interrupted_is_ended(monkeypatch):
    started = []
    popen = subprocess.Popen

    def and_an_interrupt(*words, **options):
        started.append(popen(*words, **options))
        signal.raise_signal(signal.SIGINT)  # before the caller knows the process
        return started[-1]

    monkeypatch.setattr(program.subprocess, "Popen", and_an_interrupt)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(60)"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            follow([sys.executable, "-c", code])
        assert len(started) == 1 and started[0].poll() is not None, "nobody would end it"
    finally:
        signal.signal(signal.SIGINT, before)
        started[0].kill()


def test_a_new_folder_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "now")
    assert [new_folder("segment").name for _ in range(3)] == ["now", "now_2", "now_3"]


def test_commands_start_beside_the_packages():
    command = command_of("segment")
    assert command[0] == sys.executable and re.search(r"mobilevision\.py$", command[-2]) and command[-1] == "segment"
