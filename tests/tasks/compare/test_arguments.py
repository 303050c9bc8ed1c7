"""The command line of python -m tasks.compare."""

from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.compare.arguments import parse


def test_options_stand_anywhere():
    found = parse(
        ["--data", "1,0.1,0.3", "segment", "dataset=cityscapes", "--seeds=4,5", "~data.augment.flip", "--output", "/x"]
    )
    assert found.task == "segment" and found.shares == [0.1, 0.3, 1.0] and found.seeds == [4, 5]
    assert found.overrides == ["dataset=cityscapes", "~data.augment.flip"] and found.output == Path("/x")
    assert parse(["--data=[0.5,1]", "multitask"]).seeds == [0, 1, 2]


def test_shares_and_seeds_may_be_typed_as_the_tasks_own_keys():
    found = parse(["segment", "data.share=0.1,0.3,1", "seed=4,5", "dataset=cityscapes"])
    assert (found.shares, found.seeds, found.overrides) == ([0.1, 0.3, 1.0], [4, 5], ["dataset=cityscapes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["segment"], "nothing to compare: --data 0.1,0.3,1 .or data.share=…. trains on these"),
        (["--data", "0.1,1"], "no task: name one task to train, of segment, detect, classify"),
        (["--data", "0.1,1", "segmnt"], "segmnt: name one task"),
        (["--data", "0.1,1", "segment", "detect"], "segment detect: name one task"),
        (["--data", "segment"], "no task: name one task"),
        (["--data"], "--data needs a value"),
        (["--data", "10,1", "segment"], "--data 10,1: 10 is no number above 0 and up to 1"),
        (["--data", "0.1,x", "segment"], "--data 0.1,x: x is no number"),
        (["--data", "0.1,,1", "segment"], "--data 0.1,,1: nothing is no number"),
        (["--data", "1,1.0", "segment"], "--data 1,1.0 has 1.0 twice"),
        (["--data", "1", "segment"], "--data 1: one size is no curve; take three or more"),
        (["--data", "0.1,1", "segment", "--data", "0.1"], "--data or data.share=… is given twice"),
        (["--data", "0.1,1", "segment", "data.share=0.1,1"], "--data or data.share=… is given twice"),
        (["data.share=0.1,1", "segment", "seed=0,0"], "seeds=0,0 has a seed twice"),
        (["--data", "0.1,1", "segment", "--epochs", "3"], "--epochs: no such option; there are --data, --seeds"),
        (["--data", "0.1,1", "segment", "+seed=3"], r"\+seed=3: not here, seed=0,1,2 or --seeds says which"),
        (
            ["--data", "0.1,1", "segment", "+data.share=1"],
            r"\+data.share=1: not here, data.share=0.1,0.3,1 or --data says which",
        ),
        (["--data", "0.1,1", "segment", "--seeds", "0,0"], "seeds=0,0 has a seed twice"),
        (
            ["--data", "0.1,1", "classify", "backbone.width=0.35,0.5"],
            "backbone.width=0.35,0.5: type one value; a curve",
        ),
        (["--data", "0.1,1", "classify", "ema=choice(0.9,0.99)"], "ema=choice.0.9,0.99.: type one value"),
        (["--data", "0.1,1", "segment", "--workers", "0"], "--workers=0 is not a whole number, 1 or more"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(UserError, match=f"^{message}"):
        parse(arguments)
