"""build(): a backbone, a head and a loss in a loop of one's own."""

import doctest

import numpy as np
import pytest
import torch

from tasks.app.network import build
from tasks.common.errors import UserError


def test_the_example_in_the_docstring():
    (test,) = (found for found in doctest.DocTestFinder().find(build, "build") if found.examples)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_a_plain_loop_learns():
    torch.manual_seed(0)
    network = build("classify", ["dark", "light"], "backbone=mobilenet_v3_small", backbone={"width": 0.35})
    assert network.task("classify").class_names == ["dark", "light"]
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    images = torch.tensor([20, 230], dtype=torch.uint8).repeat(4)[:, None, None, None].expand(8, 3, 32, 32).contiguous()
    labels, losses = torch.tensor([0, 1]).repeat(4), []
    for _ in range(12):
        loss = network.losses({"image": images, "label": labels})["classify"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0], losses


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("segment", {"mask": torch.ones(2, 64, 96, dtype=torch.uint8)}),
        ("multilabel", {"multilabel": torch.ones(2, 3)}),
        ("detect", {"boxes": torch.tensor([[[4.0, 4, 40, 40, 1], [0, 0, 0, 0, -1]]]).expand(2, -1, -1)}),
    ],
)
def test_the_labels_of_each_task(task, labels):
    network = build(task, 3, "backbone=mobilenet_v3_small", backbone={"width": 0.5})
    losses = network.losses({"image": torch.zeros(2, 3, 64, 96, dtype=torch.uint8), **labels})
    assert list(losses) == [task] and losses[task].isfinite() and losses[task].requires_grad


def test_names_and_counts():
    assert build("detect", 4, backbone="mobilenet_v3_small").task("detect").class_names[0] == "class 0"
    named = build("detect", ["cat", "dog"], backbone="mobilenet_v3_small")
    assert named.task("detect").class_names == ["cat", "dog"]
    for names in (np.array(["cat", "dog"]), (name for name in ("cat", "dog"))):
        built = build("detect", names, backbone="mobilenet_v3_small", weights=None)
        assert built.task("detect").class_names == ["cat", "dog"]
    assert len(build("detect", np.int64(4), backbone="mobilenet_v3_small").task("detect").class_names) == 4


@pytest.mark.parametrize(
    ("arguments", "keys", "message"),
    [
        (("segment", 3), {"backbone": "mobilenet_v9"}, "backbone=mobilenet_v9: no such option"),
        (("segment", 3, "backbone.widht=1"), {}, "widht"),
        (("multitask", 3), {}, "multitask is no task with a head of its own; there are segment, detect"),
        (("segment", [1, 2]), {}, r"classes=\[1, 2\]: a number of classes, or a list of their names"),
        (("segment", []), {}, r"classes=\[\]: a number of classes"),
        (
            ("segment", "road"),
            {},
            r"classes='road': a number of classes, or a list of their names: \[\"road\", \"sky\"\]",
        ),
        (("segment", {"road", "sky"}), {}, r"classes=\{'.*\}: a number of classes, or a list of"),
        (("segment", True), {}, "classes=True: a number of classes"),
        (("segment", 2.0), {}, r"classes=2\.0: a number of classes"),
        (("segment", None), {}, "classes=None: a number of classes"),
        (("segment", ["a", "b", "a"]), {}, "classes: the name 'a' is there twice"),
        (("segment", ["a", " "]), {}, "classes: the name ' ' is empty or cannot be printed"),
        (("segment", ["a", "b\n"]), {}, r"classes: the name 'b\\n' is empty or cannot be printed"),
        (("classify", 10**9), {}, "classes=1000000000: a number of classes is from 1 to 100,000"),
        (("segment", 0), {}, "classes=0: a number of classes is from 1"),
        (("segment", 300), {}, "300 classes: a label is one of 1 to 255, beside void, 255"),
        ((["segment"], 3), {}, r"\['segment'\] is no task with a head of its own"),
        (("segment", 3, 3), {}, '3: an override is a text, "trainer.max_epochs=2", or a keyword'),
        (("segment", 3, "backbone"), {}, "backbone: an override is key=value"),
        (("segment", 3, "--help"), {}, "--help is for the command line"),
    ],
)
def test_mistakes_are_one_line(arguments, keys, message):
    with pytest.raises(UserError, match=message) as caught:
        build(*arguments, **keys)
    assert "\n" not in str(caught.value)
