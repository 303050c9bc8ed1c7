"""Means over seeds, and the tables of them."""

import csv
import io

import pytest

from tasks.common.spread import Spread, csv_of, latex, markdown

ROWS = [["linear_50%", Spread(0.75125, 0.003, 3), 1000, None], ["relu6|a", Spread(0.5, None, 1), None, 0.25]]
HEADINGS = ["bottleneck", "top1", "params", "loss"]


def test_mean_and_sample_deviation():
    assert Spread.of([1.0, 2.0, 4.0]) == Spread(pytest.approx(7 / 3), pytest.approx((7 / 3) ** 0.5), 3)
    assert Spread.of([0.5]) == Spread(0.5, None, 1)
    assert Spread(0.75125, 0.003, 3).format() == "0.7512 ± 0.0030" and Spread(0.5, None, 1).format(1) == "0.5"


def test_a_difference_counts_if_it_exceeds_both_deviations():
    first = Spread(0.60, 0.03, 3)
    assert first.compare(Spread(0.549, 0.04, 3)) == "higher"  # by 0.051; the deviations together are 0.05
    assert first.compare(Spread(0.651, 0.04, 3)) == "lower"
    assert first.compare(Spread(0.56, 0.04, 3)) == first.compare(Spread(0.64, 0.04, 3)) == "equal within noise"


def test_csv_has_all_digits_and_the_deviation_apart():
    rows = list(csv.reader(io.StringIO(csv_of(HEADINGS, ROWS))))
    assert rows[0] == ["bottleneck", "top1", "top1 sd", "params", "loss"]
    assert rows[1] == ["linear_50%", "0.75125", "0.003", "1000", ""] and rows[2] == ["relu6|a", "0.5", "", "", "0.25"]


def test_markdown():
    assert markdown(HEADINGS, ROWS).splitlines() == [
        "| bottleneck | top1 | params | loss |",
        "| --- | ---: | ---: | ---: |",
        "| linear_50% | 0.7512 ± 0.0030 | 1,000 | – |",
        r"| relu6\|a | 0.5000 | – | 0.2500 |",
    ]


def test_latex():
    assert latex(HEADINGS, ROWS).splitlines() == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"bottleneck & top1 & params & loss \\",
        r"\midrule",
        r"linear\_50\% & 0.7512 $\pm$ 0.0030 & 1,000 & -- \\",
        r"relu6|a & 0.5000 & -- & 0.2500 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
