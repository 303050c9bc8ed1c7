"""`--keys`: every key with its comment, default and choices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.app.keys import choices_in, keys_of_command
from tasks.app.print_keys import as_text, nearest
from tasks.config.argument_docs import arguments_of
from tasks.config.comments import comments_of, header_of
from tasks.config.rules import SWITCH, number, one_of, optional

ROOT = Path(__file__).parents[3]
YAML = """\
# @package _global_
# What the file is
# about
first: 1      # a number
              # of two lines
hash: "a # b"   # a text
# belongs to
# the next
next: 2
section:      # of a section
  inner: {a: 1, b: [2, 3]}   # in braces
  list:
    - 1       # not a key's
  plain: 3
"""


def test_comments_of_a_file():
    assert header_of(YAML) == "What the file is about"
    assert comments_of(YAML) == {
        "first": "a number of two lines",
        "hash": "a text",
        "next": "belongs to the next",
        "section": "of a section",
        **dict.fromkeys(("section.inner", "section.inner.a", "section.inner.b"), "in braces"),
    }
    assert comments_of("defaults:\n  - base\n  - head: x   # the head\n") == {"defaults.head": "the head"}


def test_arguments_of_a_class_follow_see():
    assert arguments_of("backbones.mobilenet_v3.MobileNetV3")["size"].startswith('"large" (table 1)')
    assert "RF2" in arguments_of("backbones.mobilenet_v3.MobileNetV3")["tail"], "see plan_of"
    assert arguments_of("torch.optim.AdamW") == {} == arguments_of("tasks.nowhere.Class")


def test_choices_of_a_rule():
    assert choices_in(one_of(8, 16, 32)[1]) == ("8", "16", "32")
    assert choices_in(optional(one_of("norm", "value"))[1]) == ("norm", "value", "null")
    assert choices_in(optional(SWITCH)[1]) == ("true", "false", "null")
    assert choices_in(number(0, 1)[1]) == ()


@pytest.mark.parametrize("task", ["segment", "detect", "classify", "multilabel", "multitask"])
def test_every_key_says_what_it_is(task):
    keys = {key.name: key for key in keys_of_command(task, [])}
    assert not [name for name, key in keys.items() if not key.comment]
    assert keys["mode"].choices == ("train", "evaluate", "predict", "export", "benchmark", "search")
    assert keys["check"].choices == ("true", "false") and keys["check"].value is True
    assert "adamw" in keys["optimizer"].choices and keys["optimizer"].group
    assert not any(name.startswith(("hydra", "trainer._")) for name in keys)
    others = {"segment", "detect", "classify", "multilabel", "multitask"} - {task}
    assert not [name for name in keys["recipe"].choices if name.partition("_")[0] in others]


def test_no_line_is_broken_inside_a_word():
    keys = keys_of_command("multitask", ["experiment=multitask_camvid_coco"])
    words = {word for line in as_text(keys, 80).splitlines() for word in line.split()}
    assert words == {word for line in as_text(keys, 10**6).splitlines() for word in line.split()}
    long = [line for line in as_text(keys, 80).splitlines() if len(line) > 80]
    assert all(" " not in line.strip() for line in long), "only single words are longer"


def test_the_command_prints_a_section(command):
    done = command("segment", "--keys", "saving", "saving.minutes=3")
    assert done.status == 0 and not done.err
    assert done.out == (
        "saving.minutes=3\n    between two saves of last.ckpt within an epoch; null: only after each epoch\n"
        "    a number above 0, or null\n"
    )
    listed = json.loads(command("detect", "--keys", "head.anchors", "--json", "dataset=coco").out)
    assert {entry["key"] for entry in listed} == {
        f"head.anchors.{name}" for name in ("smallest", "largest", "scales", "ratios", "reduce_first")
    }
    assert {entry["file"] for entry in listed} == {"head/ssdlite"}
    assert command("search", "search=blocks", "task=segment", "--keys", "search.kernel").out.startswith(
        "search.kernel=[table, 3, 5]\n    side of the depthwise filters\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimiser.lr"], "--keys optimiser.lr: no key begins so; near it: optimizer.lr, "),
        (["lr"], "--keys lr: no key begins so; near it: finetune.lr, optimizer.lr\n"),
        (["zzzz"], "--keys zzzz: no key begins so\n"),
        (["head", "task"], "--keys head task: at most one prefix goes with it"),
        (["-m"], "--keys -m: at most one prefix"),
        (["dataset=nonesuch"], "dataset=nonesuch: no such option"),
        (["epochs=3"], "epochs=3: write trainer.max_epochs=3"),
        (["seed=abc"], "seed=abc is not a whole number from 0"),
        (["trainer.max_epochs=abc", "trainer"], "trainer.max_epochs=abc is not a whole number"),
        (["+foo=3"], "+foo=3: nothing reads this key"),
    ],
)
def test_what_is_wrong_is_one_line(command, words, message):
    done = command("segment", "--keys", *words)
    assert done.status == 2 and done.err.startswith(f"error: {message}") and not done.out
    assert done.err.count("\n") == 1


def test_nearest_names_of_a_key():
    assert nearest("minutes", ["saving.minutes", "seed"]) == ["saving.minutes"]


def test_torch_is_not_imported():
    code = (
        "import sys; from tasks.app.cli import main\n"
        "main('segment')\n"
        "print('HEAVY', sorted({'torch', 'lightning', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, "--keys"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "HEAVY []" in done.stdout
