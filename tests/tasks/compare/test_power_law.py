"""The power law of a learning curve: found where it holds, with its noise; refused where it does not."""

import pytest

from tasks.common.spread import Spread
from tasks.compare.power_law import Forecast, fit, forecast

SIZES = [40, 120, 400]


def exact(a, b, c, sizes):
    return [a - b * size**-c for size in sizes]


def spreads(means, sd=None, size=3):
    return [Spread(mean, sd, 1 if sd is None else size) for mean in means]


@pytest.mark.parametrize(("a", "b", "c"), [(0.8, 2.0, 0.5), (0.95, 1.2, 0.25), (0.6, 30.0, 1.2)])
def test_a_law_is_found_again(a, b, c):
    law = fit(SIZES, exact(a, b, c, SIZES))
    assert law.at(800) == pytest.approx(exact(a, b, c, [800])[0], abs=1e-3)
    assert law.c == pytest.approx(c, rel=0.03) and law.error < 1e-3


def test_a_score_has_no_more_than_one():
    law = fit([10, 20, 40], [0.3, 0.55, 0.8])  # straight in the logarithm: without the bound far above 1
    assert law.a <= 1 and law.b > 0


def test_twice_the_images():
    found = forecast(SIZES, spreads(exact(0.8, 2.0, 0.5, SIZES), sd=0.005))
    assert isinstance(found, Forecast) and found.images == 800
    assert found.score == pytest.approx(0.8 - 2 * 800**-0.5, abs=2e-3)
    assert found.gain == pytest.approx(2 * 400**-0.5 - 2 * 800**-0.5, abs=2e-3)
    assert found.low < found.gain < found.high
    wider = forecast(SIZES, spreads(exact(0.8, 2.0, 0.5, SIZES), sd=0.02))
    assert wider.high - wider.low > 2 * (found.high - found.low)
    assert "800 images would bring 0.7" in found.format("mIoU") and "90 % within" in found.format("mIoU")


def test_one_seed_gives_no_interval():
    found = forecast(SIZES, spreads(exact(0.8, 2.0, 0.5, SIZES)))
    assert (found.low, found.high) == (None, None) and found.format("top1").endswith("(no interval with one seed)")


def test_a_drop_within_the_noise_ends_nothing():
    # two standard errors: 2 * 0.01 / √3 = 0.0115
    for last in (0.6, 0.592):
        found = forecast(SIZES, spreads([0.5, 0.6, last], sd=0.01))
        assert isinstance(found, Forecast) and abs(found.gain) < 0.005, found
    assert isinstance(forecast(SIZES, spreads([0.5, 0.6, 0.597])), Forecast)  # one seed: 0.004 is the least noise
    assert str(forecast(SIZES, spreads([0.5, 0.6, 0.595]))).startswith("not monotone")


@pytest.mark.parametrize(
    ("means", "message"),
    [
        ([0.5, 0.6], "2 sizes: three are needed to extrapolate"),
        ([0.5, 0.45, 0.6], "not monotone: 0.4500 with 120 images, 0.5000 with 40, a drop of more than 0.0115; nothing"),
        ([0.5, 0.6, 0.588], "not monotone: 0.5880 with 400 images, 0.6000 with 120"),
        ([0.1, 0.11, 0.6], "no power law: the closest one misses a mean by 0."),  # it rises faster and faster
    ],
)
def test_nothing_is_extrapolated_from_what_is_no_curve(means, message):
    assert str(forecast(SIZES[: len(means)], spreads(means, sd=0.01))).startswith(message)
