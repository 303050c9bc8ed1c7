"""python -m tasks.deploy tells a wrong file from rounding that random weights amplify."""

import pytest

from tasks.deploy.every_network import beside_rounding


@pytest.mark.parametrize(
    ("file", "checkpoint", "said"),
    [
        (4.0e-4, 4.7e-4, "4.0e-04, checkpoint 4.7e-04"),
        (1.0e-3, 4.7e-4, "1.0e-03 DIFFERS"),  # more than twice as far from the exact network
        (3.0e-5, 2.0e-5, "3.0e-05 DIFFERS"),  # rounding is small: something else differs
        (float("nan"), 4.7e-4, "nan DIFFERS"),
    ],
)
def test_rounding_is_told_from_a_wrong_file(file, checkpoint, said):
    assert beside_rounding(file, checkpoint) == said
