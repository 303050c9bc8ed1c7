"""Amounts as people write them."""

import pytest

from tasks.common.errors import UserError
from tasks.config.amounts import amount, readable


@pytest.mark.parametrize(
    ("text", "value"), [("3M", 3e6), ("60M", 6e7), ("1.2G", 1.2e9), ("500k", 5e5), (2000, 2000.0), ("1e6", 1e6)]
)
def test_counts(text, value):
    assert amount("key", text).of(7) == value


def test_times_and_shares():
    assert amount("key", "5ms", milliseconds=True).of(9) == 5
    assert amount("key", 0.4, milliseconds=True).of(9) == 0.4
    assert amount("key", "0.7x", milliseconds=True, relative=True).of(10) == 7
    assert amount("key", ".5x", relative=True).of(10) == 5


@pytest.mark.parametrize("text", ["-3M", "0", "fast", "3T", "nan", "5ms", "0.7x", True, "", "1 2", "inf"])
def test_anything_else_is_refused(text):
    with pytest.raises(UserError, match=r"budget\.params="):
        amount("budget.params", text)


def test_shares_of_nothing_are_refused():
    with pytest.raises(UserError, match="0x"):
        amount("target.latency", "0x", milliseconds=True, relative=True)


def test_readable():
    assert readable(56_500_000, "multiply-adds") == "56.5M multiply-adds"
    assert readable(0.372, "ms") == "0.372 ms" and readable(5.1234, "ms") == "5.12 ms"
    assert readable(12, "params") == "12 params" and readable(1.26e9, "multiply-adds") == "1.26G multiply-adds"
