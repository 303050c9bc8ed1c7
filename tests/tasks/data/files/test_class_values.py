"""Classes by values and colours: lists of every form, label files of every mode, and what is refused."""

import shlex

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.files.class_lists import listed, read_list, typed
from tasks.data.files.class_scan import find_classes
from tasks.data.files.class_values import ClassValues
from tasks.data.files.label_values import are_smoothed, edges
from tasks.data.files.stray_values import strays

IDS = np.array([[0, 0, 3, 7], [3, 3, 7, 255]], np.uint8)
COLOURS = {"sky": [70, 130, 180], "road": [[128, 64, 128], [244, 35, 232]], "void": [0, 0, 0]}


def save(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


@pytest.fixture
def value_files(tmp_path):
    """The same ids in every kind of file."""
    palette = Image.fromarray(IDS, "P")
    palette.putpalette([part for k in range(256) for part in (255 - k, k, 0)])
    palette.save(tmp_path / "palette.png")
    grey = np.repeat(IDS[..., None], 3, 2)
    return [
        save(tmp_path / "grey.png", IDS),
        tmp_path / "palette.png",
        save(tmp_path / "rgb.png", grey),
        save(tmp_path / "rgba.png", np.dstack([grey, IDS])),
        save(tmp_path / "deep.png", IDS.astype(np.uint16)),
        save(tmp_path / "wide.tif", IDS.astype(np.int32)),
        save(tmp_path / "alpha.png", np.dstack([IDS, 255 - IDS]), "LA"),
        save(tmp_path / "float.tif", IDS.astype(np.float32)),
    ]


def test_values_of_every_kind_of_file(value_files):
    values = ClassValues(listed({"sky": 0, "road": [3, 7]}), [255])
    for path in value_files:
        assert values(path).tolist() == [[0, 0, 1, 1], [1, 1, 1, VOID]], path.name
        assert values(path).dtype == np.uint8
    assert values.names == ["sky", "road"]
    assert values.classes == [("sky", 0, (128, 0, 0)), ("road", 3, (0, 128, 0))]


def test_large_values_and_one_bit(tmp_path):
    deep = save(tmp_path / "deep.png", np.array([[1000, 65535]], np.uint16))
    values = ClassValues(listed({"a": 1000, "b": 65535}))
    assert values(deep).tolist() == [[0, 1]] and [id for _, id, _ in values.classes] == [0, 1]
    bits = save(tmp_path / "bits.png", np.array([[True, False]]))
    assert ClassValues(listed({"no": 0, "yes": 1}))(bits).tolist() == [[1, 0]]


def test_colours(tmp_path):
    pixels = np.array([[[70, 130, 180], [128, 64, 128]], [[244, 35, 232], [0, 0, 0]]], np.uint8)
    values = ClassValues(listed({k: COLOURS[k] for k in ("sky", "road")}), [[0, 0, 0]])
    rgb = save(tmp_path / "rgb.png", pixels)
    palette = tmp_path / "palette.png"
    Image.fromarray(pixels).quantize(4).save(palette)
    for path in (rgb, palette):
        assert values(path).tolist() == [[0, 1], [1, VOID]], path.name
    assert values.classes == [("sky", 0, (70, 130, 180)), ("road", 1, (128, 64, 128))]


def test_unlisted_values_are_named_with_their_share_and_the_key(tmp_path):
    path = save(tmp_path / "a.png", IDS)
    with pytest.raises(UserError, match=r"a\.png has the value 7 and 1 other values \(255\) in 37\.5% of its pixels"):
        ClassValues(listed({"sky": 0, "road": 3}))(path)
    with pytest.raises(UserError, match=r"dataset.ignore=\[7\] for void, or dataset.nearest=true"):
        ClassValues(listed({"sky": 0, "road": 3}), [255])(path)
    assert ClassValues(listed({"sky": 0}), "others")(path).tolist() == [[0, 0, VOID, VOID], [VOID] * 4]
    colour = save(tmp_path / "c.png", np.full((20, 20, 3), (1, 2, 3), np.uint8))
    with pytest.raises(UserError, match=r"has the colour \[1,2,3\] in 100\.0% of its pixels"):
        ClassValues(listed(COLOURS))(colour)
    with pytest.raises(UserError, match=r"has colours, such as \[1, 2, 3\] in 100\.0% of its pixels"):
        ClassValues(listed({"sky": 0}))(colour)


def test_nearest(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 100, 127, 128, 200, 255]], np.uint8))
    assert ClassValues(listed({"no": 0, "yes": 255}), nearest=True)(path).tolist() == [[0, 0, 0, 1, 1, 1]]
    soft = save(tmp_path / "c.png", np.array([[[60, 120, 170], [130, 64, 130], [3, 2, 1]]], np.uint8))
    values = ClassValues(listed({k: COLOURS[k] for k in ("sky", "road")}), [[0, 0, 0]], nearest=True)
    assert values(soft).tolist() == [[0, 1, VOID]]
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "j.jpg")
    assert (ClassValues(listed({"no": 0, "yes": 255}), nearest=True)(tmp_path / "j.jpg") == 1).all()
    with pytest.raises(UserError, match=r"j\.jpg is stored as JPEG, .*dataset.nearest=true"):
        ClassValues(listed({"no": 0, "yes": 255}))(tmp_path / "j.jpg")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"sky": 0, "road": 0}, "lists the value 0 twice"),
        ({"sky": [1, 2, 3], "road": [1, 2, 3]}, r"lists the colour \[1, 2, 3\] twice"),
        (["sky", "sky"], "lists the name sky twice"),
        ({"sky": 0, "road": [[1, 2, 3]]}, "road has colours, and others have values"),
        ({"sky": 70000}, "70000 is no value of a label file"),
        ({"sky": "blue"}, "sky=blue is no value"),
        ({"sky": True}, "sky=True is no value"),
        ({}, "is none of"),
        ({f"c{k}": k for k in range(256)}, "256 classes; a label map holds 255"),
    ],
)
def test_lists_that_cannot_be_meant(classes, message):
    with pytest.raises(UserError, match=message):
        listed(classes)


def test_forms_of_lists():
    assert [one.values for one in listed({0: "sky", 3: "road"})] == [(0,), (3,)]
    assert [one.values for one in listed(["sky", "road"])] == [(0,), (1,)]
    assert [one.values for one in listed({"sky": 0, "road": "1-3,7"})] == [(0,), (1, 2, 3, 7)]
    assert [one.values for one in listed({"sky": 0, "road": [1, 2, 3]})] == [(0,), (1, 2, 3)], "values beside a value"
    assert listed({"sky": [1, 2, 3]})[0].colours == ((1, 2, 3),)
    with pytest.raises(UserError, match=r"dataset.ignore and dataset.classes both list 3"):
        ClassValues(listed({"sky": 3}), [3])
    with pytest.raises(UserError, match=r"dataset.ignore=\[0\]: 0 is no colour like"):
        ClassValues(listed({"sky": [1, 2, 3]}), [0])


FILES = {
    "class_dict.csv": ("name,r,g,b\nsky,70,130,180\nroad,128,64,128\n", "colour"),
    "dict.csv": ("name, r, g, b\nsky, 70, 130, 180\nroad, 128, 64, 128\n", "colour"),
    "_classes.csv": ("Pixel Value, Class\n0, sky\n3, road\n", "value"),
    "label_colors.txt": ("70 130 180\tsky\n128 64 128\t\troad\n", "colour"),
    "labelmap.txt": ("# label:color_rgb:parts:actions\nsky:70,130,180::\nroad:128,64,128::\n", "colour"),
    "objectInfo150.txt": (
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n0\t.1\t1\t1\t1\tsky\n3\t.1\t1\t1\t0\troad, route\n",
        "value",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_classes(tmp_path, name):
    text, kind = FILES[name]
    (tmp_path / name).write_text(text)
    found = read_list(tmp_path / name)
    assert [one.name for one in found] == ["sky", "road"]
    if kind == "colour":
        assert [one.colours for one in found] == [((70, 130, 180),), ((128, 64, 128),)]
    else:
        assert [one.values for one in found] == [(0,), (3,)]


def test_files_of_classes_that_cannot_be_read(tmp_path):
    (tmp_path / "names.txt").write_text("sky\nroad\n")
    assert [one.values for one in read_list(tmp_path / "names.txt")] == [(0,), (1,)]
    for text, message in (
        ("", "is empty"),
        ("a,b\n1,2\n", "begins with 'a,b'"),
        ("name,r,g,b\nsky,1,2\n", "a row is not like its header"),
        ("name,r,g,b\nsky,1,2,300\n", r"\[1, 2, 300\] is no colour"),
        ("name,r,g,b\nsky,1,2,3\nsky,1,2,4\n", "lists the name sky twice"),
    ):
        (tmp_path / "c.csv").write_text(text)
        with pytest.raises(UserError, match=message):
            read_list(tmp_path / "c.csv")
    with pytest.raises(UserError, match="No such file"):
        read_list(tmp_path / "none.csv")


def test_classes_found_in_files(tmp_path, capsys):
    a = save(tmp_path / "a.png", np.array([[0, 255]], np.uint8))
    classes, ignore = find_classes([a], None)
    assert [(one.name, one.values) for one in classes] == [("0", (0,)), ("255", (255,))] and ignore is None
    assert capsys.readouterr().out == "2 classes found in 1 label files: 0, 255\n"
    b = save(tmp_path / "b.png", np.array([[2, 255]], np.uint8))
    with pytest.raises(UserError, match=r"hold 255 beside 0, 2: set dataset.ignore=\[255\]"):
        find_classes([a, b], None)
    assert [one.name for one in find_classes([a, b], [255])[0]] == ["0", "2"]
    assert [one.name for one in find_classes([a, b], [])[0]] == ["0", "2", "255"]
    colour = save(tmp_path / "c.png", np.array([[[128, 64, 128], [0, 0, 0]]], np.uint8))
    assert [(one.name, one.colours) for one in find_classes([colour], None)[0]] == [
        ("#000000", ((0, 0, 0),)),
        ("#804080", ((128, 64, 128),)),
    ]
    with pytest.raises(UserError, match=r"c\.png has colours, .*a\.png values"):
        find_classes([a, colour], None)
    with pytest.raises(UserError, match="some label files have no palette"):
        find_classes([a], None, palette=True)


def typed_again(line: str) -> ClassValues:
    """What a line of keys means that is pasted into a shell."""
    keys = {}
    for override in OverridesParser.create().parse_overrides(shlex.split(line)):
        keys[override.key_or_group] = override.value()
    return ClassValues(listed(keys["dataset.classes"]), keys.get("dataset.ignore"))


def test_a_value_of_one_file_is_said_with_the_line_that_refuses_it(tmp_path, capsys):
    ids = np.tile(np.array([0, 7], np.uint8), (32, 16))
    paths = [save(tmp_path / f"{number}.png", ids) for number in range(8)]
    find_classes(paths, None)
    assert capsys.readouterr().out == "2 classes found in 8 label files: 0, 7\n"
    odd = ids.copy()
    odd[0, :16] = 77
    save(paths[3], odd)
    find_classes(paths, [255])
    line = capsys.readouterr().out.splitlines()[1]
    share = "0.2%"  # 16 of 8 × 1024 pixels
    keys = '"dataset.classes={0: 0, 7: 7}" "dataset.ignore=[255]"'
    assert line == f"value 77: one file of 8, {share} of the pixels: a mistake? {keys} has it refused"
    again = typed_again(keys)
    assert again(paths[0]).tolist() == (ids // 7).tolist()
    with pytest.raises(UserError, match=r"3\.png has the value 77 in 1\.6% of its pixels"):
        again(paths[3])
    find_classes(paths[1:], None)
    assert "mistake" not in capsys.readouterr().out, "seven files are few"


def test_a_colour_of_one_file_is_said_with_the_line_that_refuses_it(tmp_path, capsys):
    ids = np.tile(np.array([[128, 64, 128], [30, 80, 0], [1, 229, 0], [0, 0, 0]], np.uint8), (32, 8, 1))
    paths = [save(tmp_path / f"{number}.png", ids) for number in range(8)]
    ids[0, :8] = 9, 9, 9
    save(paths[3], ids)
    find_classes(paths, None)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("colour #090909: one file of 8, 0.098% of the pixels: a mistake? ")
    again = typed_again(line.partition("mistake? ")[2].removesuffix(" has it refused"))
    assert sorted(one.colours for one in again.listed) == [
        ((0, 0, 0),), ((1, 229, 0),), ((30, 80, 0),), ((128, 64, 128),),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"has the colour \[9,9,9\]"):
        again(paths[3])


def test_stray_values_by_hand():
    files, pixels = [200, 1, 2, 3, 1, 0], [90_000, 900, 999, 10, 1_000, 0]
    assert strays(files, pixels, of_files=200, of_pixels=100_000) == [1, 2]
    assert strays(files, pixels, of_files=100, of_pixels=100_000) == [1]
    assert strays([1], [5], of_files=8, of_pixels=1000) == [], "no class would be left"


def with_palette(path, ids, colours):
    image = Image.fromarray(ids, "P")
    image.putpalette([part for colour in colours for part in colour])
    image.save(path)
    return path


def test_palettes(tmp_path):
    ids = np.array([[0, 1], [2, 2]], np.uint8)
    a = with_palette(tmp_path / "a.png", ids, [(0, 0, 0), (9, 8, 7), (1, 2, 3)])
    b = with_palette(tmp_path / "b.png", ids // 2, [(0, 0, 0), (9, 8, 7)])
    found = ClassValues(find_classes([a, b], None, palette=True)[0])
    assert found.classes == [("0", 0, (0, 0, 0)), ("1", 1, (9, 8, 7)), ("2", 2, (1, 2, 3))]
    own = with_palette(tmp_path / "own.png", ids // 2, [(9, 8, 7), (0, 0, 0)])  # made for this file alone
    with pytest.raises(UserError, match="the palettes of the label files differ"):
        find_classes([a, own], None)
    border = np.zeros((256, 3), int)
    border[255] = 224, 224, 192
    voc = with_palette(tmp_path / "voc.png", IDS, border.tolist())
    assert find_classes([voc], None)[1] == [255], "VOC's border"


def test_smoothed_edges(tmp_path):
    square = np.zeros((64, 64), np.uint8)
    square[16:48, 16:48] = 200
    assert not are_smoothed(*edges(square))
    soft = (
        Image.fromarray(square).resize((71, 71), Image.Resampling.BILINEAR).resize((64, 64), Image.Resampling.BILINEAR)
    )
    assert are_smoothed(*edges(np.array(soft)))
    thin = np.zeros((64, 64), np.uint8)
    thin[:, 20:] = 2
    thin[::4, 20] = 1  # a class one pixel wide in a quarter of the rows
    assert not are_smoothed(*edges(thin))
    soft.save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"most edges are smoothed, .*dataset.nearest=true"):
        find_classes([tmp_path / "a.png"], None)


def test_deep_colours_are_refused(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.ones((4, 4, 3), np.uint16))
    with pytest.raises(UserError, match="more than 8 bits per colour"):
        ClassValues(listed({"sky": 1}))(tmp_path / "a.png")


def test_a_mapping_in_quotes_is_one():
    """Hydra's command line has no names with accents in braces."""
    assert typed("{Straße: 3, größer: [4, 5]}") == {"Straße": 3, "größer": [4, 5]}
    assert typed("[Straße, Baum]") == ["Straße", "Baum"]
    assert (typed("found"), typed(None), typed({"sky": 0})) == ("found", None, {"sky": 0})
    with pytest.raises(UserError, match="is none of"):
        typed("{Straße: 3")
