"""Colours of classes without any: VOC's map."""

from tasks.common.palette import class_colours, palette


def test_colours_are_vocs_and_distinct():
    assert palette(5) == [(128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    assert palette(20)[-1] == (0, 64, 128), "VOC's tvmonitor"
    assert len(set(palette(255))) == 255 and (0, 0, 0) not in palette(255)


def test_background_is_black():
    assert class_colours(["disc", "Background", "box"]) == [(128, 0, 0), (0, 0, 0), (0, 128, 0)]
    assert class_colours(["_background_"]) == [(0, 0, 0)]
