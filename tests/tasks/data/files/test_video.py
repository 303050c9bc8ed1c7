"""Videos as frames: times, turns, damage, and what is refused."""

import struct

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.files.film import Film
from tasks.data.files.video import Video
from tests.clips import facts, frames_of, write_clip


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_frames_their_numbers_and_their_times(tmp_path, suffix):
    path = write_clip(tmp_path / f"a{suffix}", frames=7)
    video = Video(path, "a")
    assert (video.fps, video.count, video.live) == (pytest.approx(12.5, abs=0.01), 7, False)
    found = list(video.frames(3))
    assert [frame.number for frame in found] == [0, 3, 6] and video.broken == ""
    np.testing.assert_allclose([frame.seconds for frame in found], [0, 0.24, 0.48], atol=0.001)
    for frame in found:
        np.testing.assert_array_equal(frame.pixels, frames_of(path)[frame.number])
    red = frames_of(path)[0][35, 10]
    assert red[0] > 180 and red[2] < 80, "RGB"


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_a_phones_turn_is_applied(tmp_path, matrix, turns):
    path = write_clip(tmp_path / "a.mp4", frames=2)
    stored = frames_of(path)[0]
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # of the track's matrix: u, v, w are 0, 0, 1
    a, b, c, d = (value << 16 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    np.testing.assert_array_equal(next(Video(path, "a").frames(1)).pixels, np.rot90(stored, turns))


def test_a_cut_video_gives_what_is_left_and_says_where_it_broke(tmp_path):
    path = write_clip(tmp_path / "a.avi", frames=20)
    whole = frames_of(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = Video(path, "a")
    found = list(video.frames(1))
    assert 5 < len(found) < 15
    np.testing.assert_array_equal(found[-1].pixels, whole[len(found) - 1])
    last = found[-1]
    assert video.broken.startswith(f"broken after frame {last.number} ({last.seconds:.2f} s), 20 were expected")


def test_what_is_refused(tmp_path, capfd):
    cut = write_clip(tmp_path / "cut.mp4", frames=20)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])  # its index stood at the end
    clip = write_clip(tmp_path / "clip.mp4")
    text, list_, empty = (tmp_path / name for name in ("text.mp4", "list.mp4", "empty.mp4"))
    text.write_text("no video")
    list_.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip.name}\n#EXT-X-ENDLIST\n")
    joined = tmp_path / "joined.mp4"
    joined.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    empty.touch()
    for path in (cut, text, list_, joined, empty):
        with pytest.raises(UserError, match=r"^a: OpenCV cannot open it: no video, cut off before its index"):
            Video(path, "a")
    with pytest.raises(UserError, match=r"^a: no such file or directory$"):
        Video(tmp_path / "none.mp4", "a")
    with pytest.raises(UserError, match=r"^camera 97: no camera answers \(cameras here: "):
        Video(97, "camera 97")
    assert capfd.readouterr().err == "", "OpenCV and FFmpeg say nothing themselves"


def test_a_film_keeps_its_size_and_rate(tmp_path):
    film = Film(tmp_path / "films" / "a.webm", 12.5)
    first = np.full((48, 64, 3), (200, 30, 30), np.uint8)
    film.write(first, times=2)
    film.write(np.zeros((96, 32, 3), np.uint8))
    film.close()
    assert film.written == 3 and facts(film.path) == (12.5, 64, 48, 3)
    assert np.abs(frames_of(film.path)[1].astype(int) - first).max() < 12 and frames_of(film.path)[2].max() < 40
    odd = Film(tmp_path / "odd.webm", 30)
    odd.write(np.zeros((49, 65, 3), np.uint8))
    odd.close()
    assert facts(odd.path) == (30, 64, 48, 1)
    with pytest.raises(UserError, match=r"deep\.webm: OpenCV cannot write VP8 in WebM here \(16390×2 pixels\)"):
        Film(tmp_path / "deep.webm", 30).write(np.zeros((2, 16390, 3), np.uint8))
