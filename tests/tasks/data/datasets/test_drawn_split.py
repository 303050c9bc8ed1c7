"""Drawn validation images: the same in every order, groups together, classes in proportion."""

import pytest

from tasks.common.errors import UserError
from tasks.data.datasets.drawn_split import DrawnSplit

FRAMES = [f"clip{clip}/frame_{frame}.png" for clip in range(5) for frame in range(4)]


def named(names, numbers):
    return {names[number] for number in numbers}


def test_the_draw_depends_on_names_and_seed_alone():
    names = [f"{number}.jpg" for number in range(50)]
    train, val = DrawnSplit(0.2).sides(names)
    assert len(val) == 10 and sorted(train + val) == list(range(50)) and val == sorted(val)
    backwards = names[::-1]
    assert named(backwards, DrawnSplit(0.2).sides(backwards)[1]) == named(names, val)
    assert named(names, DrawnSplit(0.2, seed=1).sides(names)[1]) != named(names, val)


def test_groups_stay_together():
    train, val = DrawnSplit(0.2, group=r"clip\d").sides(FRAMES)
    clips = {name.split("/")[0] for name in named(FRAMES, val)}
    assert len(clips) == 1 and len(val) == 4
    assert clips.isdisjoint(name.split("/")[0] for name in named(FRAMES, train))
    assert DrawnSplit(0.2, group=r"(clip\d)/frame").sides(FRAMES) == DrawnSplit(0.2, group=r"(clip\d)/").sides(FRAMES)


def test_groups_are_said(capsys):
    DrawnSplit(0.2).sides(FRAMES)
    assert capsys.readouterr().out == ""
    _, val = DrawnSplit(0.8, group=r"clip\d").sides([*FRAMES, "photo.png"])
    clips = sorted({FRAMES[number].split("/")[0] for number in val if number < len(FRAMES)})
    (line,) = capsys.readouterr().out.splitlines()
    count = len(clips)
    assert count > 3 and line.startswith(f"dataset.val.group=clip\\d: 5 groups, {count} of them in val (clip")
    named = line.partition("(")[2].partition(", …)")[0].split(", ")
    assert len(named) == 3 and set(named) < set(clips)
    assert line.endswith(", …); 1 images in no group, drawn one by one")


def test_each_class_has_its_share():
    names, labels = [f"{number}.jpg" for number in range(44)], [0] * 40 + [1] * 3 + [2]
    _, val = DrawnSplit(0.25).sides(names, labels)
    drawn = [labels[number] for number in val]
    assert (drawn.count(0), drawn.count(1), drawn.count(2)) == (10, 1, 0), "a single image of a class is trained on"


@pytest.mark.parametrize(
    ("val", "message"),
    [
        ({"share": 1.5}, r"dataset\.val\.share=1\.5 is not a number between 0 and 1"),
        ({"share": True}, r"dataset\.val\.share=True"),
        ({"share": 0.2, "group": "("}, r"dataset\.val\.group=\( is no regular expression"),
        ({"share": 0.2, "group": "video"}, r"finds nothing in the images' names \(clip0/frame_0\.png"),
        (
            {"share": 0.2, "group": "clip"},
            r"dataset\.val\.group=clip puts all 20 images in one group \(clip\), which is not divided: match what",
        ),
    ],
)
def test_what_cannot_be_drawn(val, message):
    with pytest.raises(UserError, match=message):
        DrawnSplit.of(val).sides(FRAMES)
    assert DrawnSplit.of(None) is None and DrawnSplit.of({"share": None}) is None
