"""What is out of all proportion is said in figures, and done where it is confirmed."""

import pytest

from backbones.mobilenet_v3 import MobileNetV3
from backbones.table import table_of
from tasks.common.errors import UserError
from tasks.config.proportion import check_epoch, is_wide
from tasks.engine.build import build
from tests.test_config import run_of

CLASSES = {"mask": [(str(number), number, (0, 0, number)) for number in range(4)]}


def test_a_network_too_wide_says_its_parameters_before_memory_is_taken():
    settings = run_of("backbone.width=1000", "head.hidden=128").learner
    with pytest.raises(
        UserError, match=r"^backbone\.width=1000: [\d,]{13,} parameters, [\d,]+ GB in float32; .*confirm=true$"
    ):
        build(settings, CLASSES)


def test_networks_of_the_papers_are_not_counted():
    assert not is_wide(run_of("backbone=mobilenet_v2").learner.backbone)
    assert is_wide(run_of("backbone.width=5").learner.backbone)
    assert is_wide({"table": {"rows": [{"out": 9000}]}})
    assert not is_wide({"table": table_of(MobileNetV3(size="large").plan)})


def test_many_numbers_are_as_wide_as_one_that_is_large():
    for extras in ([4096] * 5000, [4096] * 10, [1] * 600):
        assert is_wide({"extras": extras})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"repeat": 100_000},
            r"data\.repeat=100000: an epoch would have 600,000 images, 6 × 100,000; .*confirm=true",
        ),
        (
            {"epochs": 10**9},
            r"trainer\.max_epochs=1000000000: that is 6,000,000,000 images; .*confirm=true",
        ),
    ],
)
def test_an_epoch_of_too_many_images(change, message):
    settings = {"repeat": 1, "epochs": 1} | change
    with pytest.raises(UserError, match=message):
        check_epoch(6, **settings, confirmed=False)
    check_epoch(6, **settings, confirmed=True)
    check_epoch(1_300_000, repeat=10, epochs=90, confirmed=False)
