"""Texts in pictures: cut to their place, also very long ones, without measuring each length."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from tasks.classify.draw import confusion
from tasks.common.legend import shortened, with_legend
from tasks.multilabel.draw import bars


class Counted:
    """A font that counts how often it measures a text."""

    def __init__(self):
        self.font, self.measured = ImageFont.load_default(13), []

    def getlength(self, text):
        self.measured.append(len(text))
        return self.font.getlength(text)


@pytest.mark.parametrize("width", [0, 1, 5, 30, 100, 399.5])
def test_the_longest_beginning_that_fits(width):
    font = ImageFont.load_default(13)
    for text in ("", "i", "Wimmelbild", "a name with words and more of them " * 5):
        cut = shortened(text, font, width)
        if font.getlength(text) <= width:
            assert cut == text
            continue
        begin = cut.removesuffix("…")
        assert cut.endswith("…") and text.startswith(begin) and (font.getlength(cut) <= width or not begin)
        assert font.getlength(f"{text[: len(begin) + 1]}…") > width


def test_three_thousand_letters_are_measured_a_few_times():
    font = Counted()
    cut = shortened("x" * 3000, font, 200)
    assert 10 < len(cut) < 60 and len(font.measured) < 15 and max(font.measured) <= 1001


def test_pictures_with_long_names_keep_their_size():
    names = ["cat", "x" * 3000]
    assert confusion(np.eye(2, dtype=np.int64), names).width < 1000
    assert bars(dict.fromkeys(names, 0.5), dict.fromkeys(names, 3)).width < 1000
    assert with_legend(Image.new("RGB", (200, 100)), [((0, 0, 0), name) for name in names]).width == 200
