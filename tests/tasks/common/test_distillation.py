"""Learning from a teacher: distances by hand, the same contract for every task, and teachers that do not fit."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli, Categorical, kl_divergence

from heads.ssdlite import RawBoxes
from tasks.checkpoint.checkpoint import make_metadata
from tasks.common.distillation import Distillation, binary_divergence, divergence
from tasks.common.errors import UserError
from tasks.config.tree import put, resolved
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tasks.engine.build import build
from tasks.engine.settings import DistillationSettings, LearnerSettings
from tasks.engine.teacher import Normalised, make_distillation
from tests.test_config import tree_of

TINY = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "backbone.norm_momentum=0.9")
OPTIONS = {
    "classify": ("head.hidden=16", "head.dropout=0"),
    "segment": ("head.hidden=16",),
    "detect": ("head.extras=[32]",),
    "detect, focal": ("head.extras=[32]", "loss=focal"),
}
CLASSES = {
    "mask": [["a", 1, [0, 0, 0]], ["b", 2, [9, 9, 9]]],
    "boxes": [["x", 1], ["y", 2]],
    "label": ["u", "v", "w"],
}


def configured(name, *overrides):
    task = name.partition(",")[0]
    return tree_of(*TINY, *OPTIONS[name], *overrides, task=task)


def learner_of(config, seed=0, classes=CLASSES):
    """A network with other weights for every seed; its logits differ from image to image as a trained one's."""
    torch.manual_seed(seed)
    learner = build(LearnerSettings.of(resolved(config)), classes)
    with torch.no_grad():
        for parameter in learner.tasks.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter).mul_(3)
        learner.train()(batch_of()["image"])  # the statistics that it is in evaluation with
    return learner


def task_of(learner):
    ((_, task),) = learner.each_task()
    return task


def batch_of(count=3):
    generator = torch.Generator().manual_seed(1)
    return {
        "image": torch.randint(0, 256, (count, 3, 64, 64), generator=generator, dtype=torch.uint8),
        "mask": torch.randint(0, 2, (count, 64, 64), generator=generator, dtype=torch.uint8),
        "boxes": torch.tensor([4.0, 4.0, 30.0, 28.0, 1.0]).repeat(count, 1, 1),
        "label": torch.arange(count) % 3,
    }


def saved(learner, config, path, task):
    """A checkpoint as a run leaves it."""
    cards = {name: entry.metadata() for name, entry in learner.each_task()}
    torch.save({"state_dict": learner.state_dict(), "mobilevision": make_metadata(task, config, cards)}, path)
    return str(path)


class Fixed(nn.Module):
    """A teacher that always says the same."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def test_a_teacher_is_frozen_and_weighed():
    teacher = Fixed(torch.tensor([2.0, 0.0]))
    distillation = Distillation(teacher.train(), weight=0.25, temperature=2.0)
    wanted = distillation.teacher_outputs(torch.zeros(3, 3, 4, 4))
    assert wanted.shape == (3, 2) and not wanted.requires_grad and not teacher.training
    assert distillation.together(torch.tensor(8.0), torch.tensor(2.0)).item() == 0.75 * 8 + 0.25 * 2


@pytest.mark.parametrize(("settings", "message"), [((1.5, 1.0), "weight=1.5"), ((0.5, 0.0), "temperature=0.0 must be")])
def test_wrong_settings_are_named(settings, message):
    weight, temperature = settings
    with pytest.raises(ValueError, match=message):
        Distillation(nn.Identity(), weight=weight, temperature=temperature)


def test_divergences_are_those_of_the_softened_distributions():
    given, wanted = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    classes = kl_divergence(Categorical(logits=wanted / 3), Categorical(logits=given / 3))
    torch.testing.assert_close(divergence(given, wanted, 3.0, dim=2), 9 * classes)
    torch.testing.assert_close(divergence(given.mT, wanted.mT, 3.0, dim=1), 9 * classes)
    each = kl_divergence(Bernoulli(logits=wanted / 3), Bernoulli(logits=given / 3))
    torch.testing.assert_close(binary_divergence(given, wanted, 3.0, dim=2), 9 * each.sum(2))
    certain = torch.tensor([[500.0, -500.0]])
    for of in (divergence, binary_divergence):
        assert of(certain, certain, 1.0, dim=1).item() == 0 and of(certain, -certain, 1.0, dim=1).item() > 900


def test_every_pixel_counts_once():
    task = task_of(learner_of(configured("segment")))
    outputs, wanted = torch.randn(2, 2, 4, 6), torch.randn(2, 2, 4, 6)
    expected = divergence(outputs, wanted, 2.0, dim=1)
    torch.testing.assert_close(task.distance(outputs, wanted, 2.0), expected.mean())
    coarse = torch.randn(2, 2, 2, 3)
    resized = F.interpolate(coarse, (4, 6), mode="bilinear", align_corners=False)
    torch.testing.assert_close(task.distance(outputs, coarse, 2.0), divergence(outputs, resized, 2.0, dim=1).mean())


WANTED = torch.tensor([[[3.0, 0.0, 1.0], [0.0, 2.0, -1.0], [-4.0, -3.0, -3.5]]])  # three anchors of one image


@pytest.mark.parametrize(
    ("make", "of", "seen", "columns"),
    [
        (SoftmaxMultiBox, divergence, [1, 2], slice(0, 3)),  # the background is not the likeliest
        (FocalMultiBox, binary_divergence, [0, 1], slice(1, 3)),  # a class is likelier there than not
    ],
)
def test_boxes_count_where_the_teacher_sees_an_object(make, of, seen, columns):
    outputs = RawBoxes(torch.randn(1, 3, 3), torch.zeros(1, 3, 4), ((1, 3),))
    wanted = RawBoxes(WANTED, torch.tensor([0.5, 3.0, 0.1]).view(1, 3, 1).expand(1, 3, 4), ((1, 3),))
    smooth_l1 = 4 * torch.tensor([0.5**2 / 2, 3 - 0.5, 0.1**2 / 2])
    expected = 0.25 * smooth_l1[seen].sum() + of(outputs.logits[..., columns], WANTED[..., columns], 2.0, dim=2).sum()
    torch.testing.assert_close(make(box_weight=0.25).distance(outputs, wanted, 2.0), expected / 2)


@pytest.mark.parametrize("make", [SoftmaxMultiBox, FocalMultiBox])
def test_a_teacher_that_sees_nothing(make):
    nothing = RawBoxes(torch.tensor([[[5.0, -5.0]]]), torch.ones(1, 1, 4), ((1, 1),))
    assert make().distance(nothing, nothing, 2.0).item() == 0


@pytest.mark.parametrize("name", OPTIONS)
def test_what_every_task_learns_from_a_teacher(name, tmp_path):
    """The loss is the sum of both; nothing is to be learnt of oneself; gradients reach the student alone."""
    config = configured(name, f"distill.teacher={tmp_path / 'best.ckpt'}", "distill.weight=0.25")
    teacher = learner_of(config, seed=1)
    saved(teacher, config, tmp_path / "best.ckpt", name.partition(",")[0])
    student, batch = learner_of(config), batch_of()
    task = task_of(student)
    names = set(student.state_dict())
    alone = student.losses(batch)[task.name]  # batch statistics: the same in the next pass
    task.distillation = make_distillation(DistillationSettings.of(config), task)
    both = student.losses(batch)[task.name]
    with torch.no_grad():
        (wanted,) = teacher.eval()(batch["image"]).values()
        outputs = task.head(student.backbone(batch["image"]))
    distance = task.distance(outputs, wanted, 2.0)
    assert distance > 0.01 and task.distance(wanted, wanted, 2.0) == 0
    torch.testing.assert_close(both, 0.75 * alone + 0.25 * distance)
    both.backward()
    assert all(value.grad is not None for value in student.parameters())
    assert all(value.grad is None for value in task.distillation.teacher.parameters())
    assert set(student.state_dict()) == names and copy.deepcopy(student).state_dict().keys() == names


@pytest.mark.parametrize("name", OPTIONS)
def test_following_a_teacher_brings_a_student_closer(name, tmp_path):
    config = configured(name, f"distill.teacher={tmp_path / 'best.ckpt'}", "distill.weight=1")
    saved(learner_of(config, seed=1), config, tmp_path / "best.ckpt", name.partition(",")[0])
    student, batch = learner_of(config), batch_of()
    task = task_of(student)
    task.distillation = make_distillation(DistillationSettings.of(config), task)
    optimizer = torch.optim.AdamW(student.parameters(), 0.0005)
    course = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = student.losses(batch)[task.name]
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    assert course[-1] < 0.7 * course[0]


@pytest.mark.parametrize(
    ("name", "overrides", "classes", "message"),
    [
        ("classify", (), {"label": ["u", "w", "v"]}, r"knows other classes \(u, w, v, …\)"),
        ("segment", (), {"mask": CLASSES["mask"][:1]}, r"knows other classes \(a, …\)"),
        ("detect", (), {"boxes": [["x", 1], ["z", 2]]}, r"knows other classes \(x, z, …\)"),
        ("detect", ("head.extras=[32,32]",), CLASSES, "has other anchors: take the same head"),
        ("detect", ("backbone.output_stride=16",), CLASSES, "has other anchors"),
        ("detect", ("loss=focal",), CLASSES, "gives scores by sigmoid, this network by softmax"),
    ],
)
def test_teachers_that_do_not_fit_are_named(name, overrides, classes, message, tmp_path):
    config, path = configured(name, *overrides), tmp_path / "best.ckpt"
    saved(learner_of(config, classes={**CLASSES, **classes}), config, path, name)
    asked = put(config, "distill.teacher", str(path))
    with pytest.raises(UserError, match=f"^distill.teacher={path} {message}"):
        make_distillation(DistillationSettings.of(asked), task_of(learner_of(configured(name))))


def test_only_a_teacher_of_the_same_task_is_taken(tmp_path):
    other = saved(learner_of(configured("detect")), configured("detect"), tmp_path / "best.ckpt", "detect")
    for teacher, message in (
        (other, r"best\.ckpt was trained by tasks\.detect, not tasks\.segment"),
        ("nowhere.ckpt", r"no checkpoint at nowhere\.ckpt"),
        ("resnet18", r"distill\.teacher=resnet18 is not a \.ckpt file of tasks\.segment"),
    ):
        config = configured("segment")
        with pytest.raises(UserError, match=message):
            make_distillation(DistillationSettings(teacher, None, 0.5, 2.0), task_of(learner_of(config)))


def test_normalised_gives_a_foreign_network_what_it_expects():
    images = torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8)
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.1, 0.3]
    expected = (images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(Normalised(nn.Identity(), mean, std)(images), expected, rtol=1e-4, atol=1e-5)
