"""Scores of several views: each scale and its mirror image, averaged as probabilities at the size of the files."""

import pytest
import torch
import torch.nn.functional as F

from heads.lraspp import LRASPP
from tasks.common.views import MIRRORED, PLAIN, View
from tasks.segment import views
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.task import SegmentTask
from tasks.segment.views import labels_from_views, rows_of
from tests.tasks.engine.test_learner import learner_of
from tests.tasks.segment.test_segment_task import CLASSES, FEATURES, places


def logits_of(*sizes, classes=5, count=2):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, classes, *size, generator=generator) for size in sizes]


@pytest.mark.parametrize("size", [(33, 50), (5, 4), (4, 6)])
def test_rows_are_those_of_the_whole_interpolation(size):
    (logits,) = logits_of((4, 6))
    whole = F.interpolate(logits, size, mode="bilinear", align_corners=False)
    for rows in (range(size[0]), range(1, size[0] - 1)):
        torch.testing.assert_close(rows_of(logits, size, rows), whole[:, :, rows.start : rows.stop])


@pytest.mark.parametrize("floats", [1, 2**23])
def test_the_mean_of_the_probabilities_decides_at_the_files_size(monkeypatch, floats):
    monkeypatch.setattr(views, "FLOATS", floats)
    given, size = logits_of((4, 6), (3, 5), (5, 8)), (33, 50)
    mean = sum(F.interpolate(each, size, mode="bilinear").softmax(1) for each in given) / 3
    assert torch.equal(labels_from_views(given, size), mean.argmax(1).to(torch.uint8))
    of_logits = sum(F.interpolate(each, size, mode="bilinear") for each in given).argmax(1)
    assert not torch.equal(mean.argmax(1), of_logits), "the mean of the logits would be another map"


def test_a_view_is_a_scale_of_the_image_and_its_mirror_image():
    images = torch.tensor([[0, 100, 200, 100]], dtype=torch.uint8).expand(1, 3, 4, 4)
    assert PLAIN.of(images) is images
    assert MIRRORED.of(images)[0, 0, 0].tolist() == [100, 200, 100, 0]
    half = View(0.5, True).of(images)  # antialiased: a triangle over four pixels, weights 1, 3, 3, 1 inside
    assert half.shape == (1, 3, 2, 2) and half.dtype == torch.uint8
    assert half[0, 0, 0].tolist() == [143, 71]  # (3·200 + 3·100 + 100)/7, (3·0 + 3·100 + 200)/7
    assert View(1.5).of(images).shape == (1, 3, 6, 6)


def test_mirrored_views_are_turned_back():
    learner = learner_of("segment.task.mirror=true", "segment.task.scales=[0.75,1.0,1.5]", "heads=[segment]").eval()
    images = torch.randint(0, 256, (2, 3, 64, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    seen = []
    learner.backbone.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[-2:])))
    task = learner.task("segment")
    with torch.no_grad():
        found, turned = (learner(each)["segment"] for each in (images, images.flip(-1)))
        assert seen[:6] == [(48, 72), (48, 72), (64, 96), (64, 96), (96, 144), (96, 144)]
        for plain, mirrored in ((0, 1), (2, 3), (4, 5)):
            torch.testing.assert_close(turned[mirrored], found[plain].flip(-1), atol=1e-4, rtol=1e-3)
            assert not torch.allclose(found[plain], found[mirrored], atol=1e-3, rtol=1e-2), (
                "a network knows left from right"
            )
        assert torch.equal(learner.predictions(images, None)["segment"], labels_from_views(found, (64, 96)))
        task.use_one_view()
        torch.testing.assert_close(learner(images)["segment"], found[2], atol=1e-4, rtol=1e-3)


def test_other_heads_keep_their_own_views():
    learner = learner_of("segment.task.scales=[0.5,1.0]", "classify.task.mirror=true").eval()
    plain = learner_of("classify.task.mirror=true").eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        found, expected = learner(images), plain(images)
    assert torch.equal(found["classify"], expected["classify"])
    assert torch.equal(found["detect"].logits, expected["detect"].logits)
    assert len(found["segment"]) == 2 and any(torch.equal(view, expected["segment"]) for view in found["segment"])


def test_files_get_maps_of_their_own_size():
    task = SegmentTask(FEATURES, LRASPP, PixelCrossEntropy(), CLASSES, mirror=True)
    labels = task.predict(logits_of((4, 8), (4, 8), classes=19), (32, 64), places((50, 70), (50, 70)))
    assert labels.shape == (2, 50, 70) and labels.dtype == torch.uint8


@pytest.mark.parametrize("scales", [[], [0.0], [5.0], [1.0, 1.0]])
def test_scales_that_cannot_be_meant(scales):
    with pytest.raises(ValueError, match=r"task\.scales=.* must be different numbers above 0 and up to 4"):
        SegmentTask(FEATURES, LRASPP, PixelCrossEntropy(), CLASSES, scales=scales)


def test_an_exported_file_is_without():
    task = SegmentTask(FEATURES, LRASPP, PixelCrossEntropy(), CLASSES, mirror=True, scales=[1.0, 2.0])
    assert "sees the plain image alone" in task.prepare_export() and "(4 views)" not in task.prepare_export()
    assert task.views == (PLAIN,) and task.prepare_export() == ""
