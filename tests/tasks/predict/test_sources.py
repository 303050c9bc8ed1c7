"""What `input=` names, and addresses whose login nobody else gets to see."""

import os
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.predict.address import LOGIN, address_of, with_login, without_login
from tasks.predict.photos import unique_names
from tasks.predict.sources import Live, find_sources, is_video, paths_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("a.png", "clips/b.MP4", "clips/c.mov", "clips/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(LOGIN, raising=False)
    return tmp_path


def test_files_cameras_and_addresses(here):
    assert find_sources("clips/b.MP4") == [Path("clips/b.MP4")] and is_video(Path("clips/b.MP4"))
    assert not is_video(Path("a.png"))
    assert find_sources("clips/*.[mM]*") == [Path("clips/b.MP4"), Path("clips/c.mov"), Path("clips/notes.md")]
    assert find_sources("0") == [Live(0)] and str(Live(0)) == "camera 0" and is_video(Live(0))
    (here / "0").mkdir()
    (here / "0" / "a.jpg").touch()
    assert find_sources("0") == [Path("0/a.jpg")], "a folder of that name comes first"
    assert find_sources("rtsp://cam:554/live?channel=1") == [Live("rtsp://cam:554/live?channel=1")]
    with pytest.raises(
        UserError, match=r'^input=clips: no photo, but 2 videos in that folder; name them: input="clips'
    ):
        find_sources("clips")
    assert find_sources(str(here)) == [here / "0" / "a.jpg", here / "a.png"], "a folder is one of photos"


def test_a_list(here, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "d.png"
    other.touch()
    text = f"\ufeff# my files\nb.MP4\n\n  ../a.png  \nb.MP4\n{other}\n"
    (here / "clips" / "list.txt").write_text(text, encoding="utf-8")
    found = find_sources("clips/list.txt")
    assert found == [Path(path) for path in ("clips/b.MP4", "clips/../a.png", "clips/b.MP4", other)]
    names = unique_names(paths_of(found))
    assert names[0] == names[2] and len(set(names)) == 3
    assert not any(".." in name.parts or name.is_absolute() for name in names), "results stay in their folder"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"# nothing\n\n", "no path in it"),
        (b"\xff\xfea\0", "a list of paths is text in UTF-8, and this is not"),
        (b"a.png\nno.png\n.\n", r"2 of 3 lines name no file: line 2 no\.png \(not there\); line 3 \. \(a folder\)$"),
        (b"rtsp://cam/live\n", r"1 of 1 lines name no file: line 1 rtsp://cam/live \(an address is typed: input=rtsp"),
        (b"x\n" * 9, r"9 of 9 lines name no file: line 1 x \(not there\); .*; line 5 x \(not there\) and 4 more$"),
        (b"a" * 5000, r"1 of 1 lines name no file: .* \((not there|no path)\)$"),
    ],
)
def test_a_wrong_list_is_one_line(here, text, said):
    (here / "list.txt").write_bytes(text)
    with pytest.raises(UserError, match=rf"^input=list\.txt: {said}"):
        find_sources("list.txt")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://cam/video.mp4", "http://cam/video.mp4: a stream begins with rtsp:// or rtsps://"),
        ("file:///etc/passwd", "file:///etc/passwd: a stream begins with rtsp"),
        ("rtsp://cam:99999/a", "rtsp://…: its port is not a number up to 65535"),
        ("rtsp://cam:x/a", "rtsp://…: its port is not a number"),
        ("rtsp:///a", "rtsp:///a is no address: rtsp://<host>"),
        ("rtsp://me:secret@cam/a", f"rtsp://…: an address in a file has no login: set {LOGIN}="),
    ],
)
def test_a_wrong_address(here, address, said):
    with pytest.raises(UserError, match=f"^input={said.replace('?', '.')}") as caught:
        find_sources(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_typed_login_is_taken_out(here, quote):
    words = ["seed=1", f"input={quote}rtsp://me:s%40c@ret@cam:554/live?channel=1&x=@2{quote}", "mode=predict"]
    assert without_login(words) == ["seed=1", 'input="rtsp://cam:554/live?channel=1&x=@2"', "mode=predict"]
    assert os.environ[LOGIN] == "me:s%40c@ret"
    assert with_login(address_of("rtsp://cam:554/a")) == "rtsp://me:s%40c@ret@cam:554/a"


def test_an_address_without_login_takes_the_one_that_is_set(here, monkeypatch):
    assert with_login("rtsp://cam/a") == "rtsp://cam/a"
    monkeypatch.setenv(LOGIN, "me:secret")
    assert without_login(["input=rtsp://cam/a"]) == ['input="rtsp://cam/a"']
    assert with_login("rtsp://cam/a") == "rtsp://me:secret@cam/a"


@pytest.mark.parametrize(
    "word",
    [
        "input=rtsp://me:sec/ret@cam/a",
        "input=rtsp://me:12/34@cam:1/secret",
        "input=[rtsp://me:secret@cam/a]",
        "input=rtsp:/me:secret@cam/a",
        "input=rtsp://a:b@cam/x,rtsp://me:secret@cam/y",
        'input=rtsp://me:sec"ret@cam',
        "input=rtsp://${secret}",
    ],
)
def test_what_cannot_be_told_apart_is_not_repeated(here, word):
    with pytest.raises(UserError, match=r"^input=(rtsp://)?…: ") as caught:
        without_login([word])
    assert "ret" not in str(caught.value) and LOGIN not in os.environ
