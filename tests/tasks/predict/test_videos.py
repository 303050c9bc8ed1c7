"""mode=predict with videos: an annotated video and a line of the index per frame, with the results of photos."""

import csv
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from threading import Event, Semaphore
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from backbones.mobilenet_v3 import MobileNetV3
from heads.classification import ClassificationHead
from tasks.checkpoint.reading import forget
from tasks.common.console import stop_on_signals
from tasks.common.errors import Stopped, UserError
from tasks.common.frame_overlay import frame_overlay
from tasks.data.files.video import Frame
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy import predicting as shipped
from tasks.engine.learner import Learner
from tasks.multilabel.loss import BinaryCrossEntropy
from tasks.multilabel.task import MultiLabelTask
from tasks.predict.ahead import ahead
from tasks.predict.all import predict_all
from tasks.predict.checkpoint import find
from tasks.predict.index import Index
from tasks.predict.prediction import Prediction
from tasks.predict.settings import Frames
from tasks.predict.videos import predict_video
from tests.clips import facts, frames_of, write_clip
from tests.rtsp import camera
from tests.tasks.deploy.test_predicting import SIZE, in_memory, table
from tests.tasks.predict.test_overlays import make

BEFORE = Path(__file__).parents[2] / "data" / "before_rooms"
TASKS = ("segment", "detect", "classify", "multilabel")
OF_A_FRAME = ("image", "frame", "seconds", "overlays")  # columns that a photo of the frame has otherwise


@pytest.fixture(autouse=True)
def forget_checkpoints():
    """Other tests count what is read."""
    yield
    forget()


def learner_of(*names: str) -> Learner:
    torch.manual_seed(0)
    backbone = MobileNetV3(size="small", width=0.35)
    several = MultiLabelTask(backbone.features, ClassificationHead, BinaryCrossEntropy(), ["wet", "dark"])
    tasks = {**make(backbone.features), "multilabel": several}
    learner = Learner(backbone, [tasks[name] for name in names]).eval()
    if "detect" in names:
        for row in learner.task("detect").head.classes:
            torch.nn.init.normal_(row.classify.weight)  # scores that no rounding puts into another order
            torch.nn.init.normal_(row.classify.bias)
    return learner


def predict(learner, sources, folder, which=Frames()):  # noqa: B008
    folder.mkdir()
    outputs = {key: task.output for key, task in learner.each_task()}
    find_in = partial(find, learner, fit=Stretch(SIZE))
    predict_all(sources, find_in, outputs, folder, upright=False, white=None, which=which)
    return rows_of(folder)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(row: dict[str, str], other: dict[str, str]) -> None:
    """Whether two lines say the same, and the files that they name hold the same."""
    assert row.keys() - set(OF_A_FRAME) == other.keys() - set(OF_A_FRAME)
    for key in row.keys() - set(OF_A_FRAME):
        if not row[key].endswith((".png", ".json")):
            assert row[key] == other[key], key
        elif key == "boxes":
            assert Path(row[key]).read_text() == Path(other[key]).read_text()
        else:
            assert Path(row[key]).read_bytes() == Path(other[key]).read_bytes(), key


@pytest.mark.parametrize("names", [*((name,) for name in TASKS), TASKS], ids="+".join)
def test_each_frame_gives_what_its_photo_gives(tmp_path, capsys, monkeypatch, names):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    learner = learner_of(*names)
    rows = predict(learner, [clip], tmp_path / "video")
    assert [(row["frame"], row["seconds"], row["status"]) for row in rows] == [
        ("0", "0.000", "ok"), ("1", "0.080", "ok"), ("2", "0.160", "ok"), ("3", "0.240", "ok"),
    ]  # fmt: skip
    film = tmp_path / "video" / "overlays" / "clip.webm"
    assert {row["overlays"] for row in rows} == {str(film)} and facts(film) == (12.5, 96, 64, 4)
    assert "clip.mp4: 4 frames, " in capsys.readouterr().out

    photos = [tmp_path / f"{number}.png" for number in range(4)]
    for path, frame in zip(photos, frames_of(clip), strict=True):
        Image.fromarray(frame).save(path)
    for row, other in zip(rows, predict(learner, photos, tmp_path / "photos"), strict=True):
        same(row, other)

    monkeypatch.setattr(shipped, "open_model", lambda _path, _threads: in_memory(learner, "raw"))
    (tmp_path / "file").mkdir()
    shipped.predict("model.onnx", [clip], tmp_path / "file")
    for row, other in zip(rows, rows_of(tmp_path / "file"), strict=True):
        if "boxes" in row:  # of equal scores two may change places
            near = np.abs(table(Path(row.pop("boxes")))[:, None] - table(Path(other.pop("boxes")))) < 0.011
            assert near.all(2).any(0).all() and near.all(2).any(1).all()
        if "json" in row:  # six decimals of either
            row.pop("json"), other.pop("json")
        same(row, other)


def test_the_command_with_a_checkpoint_and_an_exported_file(command, tmp_path):
    clip = write_clip(tmp_path / "clip.avi", frames=5, fps=29.97)
    common = ("mode=predict", f"input={clip}", "predict.every=2")
    for name, source in (
        ("a", f"checkpoint={BEFORE / 'segment.ckpt'}"),
        ("b", f"model={BEFORE / 'export/model.onnx'}"),
    ):
        done = command("segment", *common, source, f"hydra.run.dir={tmp_path / name}")
        assert done.status == 0 and done.err == "", done.err
        assert f"3 frames of 1 video predicted, 0 skipped: {tmp_path / name}/index.csv" in done.out
        assert facts(tmp_path / name / "overlays/clip.webm") == (14.98, 96, 64, 3), "half the rate"
        rows = rows_of(tmp_path / name)
        assert [(row["frame"], row["seconds"]) for row in rows] == [("0", "0.000"), ("2", "0.067"), ("4", "0.133")]
        for row in rows:
            assert Image.open(row["labels"]).size == (96, 64) and (row["height"], row["width"]) == ("64", "96")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["input=97"], "camera 97: no camera answers (cameras here: "),
        (["input=broken.mp4"], "OpenCV cannot open it: no video, cut off before its index"),
        (["input=list.txt"], "1 of 1 lines name no file: line 1 none.mp4 (not there)"),
        (["input=clip.mp4", "predict.every=0"], "predict.every=0 is not a whole number, 1 or more"),
        (["input=clip.mp4", "predict.frames=0"], "predict.frames=0 is not a whole number, 1 or more"),
        (
            ["input=photo.png", "predict.every=2"],
            "predict.every=2 has no effect without a video or camera: input=photo",
        ),
        (["input=photo.png", "predict.frames=9"], "predict.frames=9 has no effect without a video or camera"),
        (["input=rtsp://me:secret@127.0.0.1:1/a?b=1"], "rtsp://127.0.0.1:1/a?b=1: no stream answers: check host"),
    ],
)
def test_mistakes_show_before_the_checkpoint_is_read(command, reads, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOBILEVISION_CAMERA_LOGIN", "")
    own = shutil.copy(BEFORE / "segment.ckpt", tmp_path)
    write_clip(tmp_path / "clip.mp4", frames=1)
    Path("broken.mp4").write_bytes(b"no video")
    Image.new("RGB", (8, 8)).save("photo.png")
    Path("list.txt").write_text("none.mp4\n")
    done = command("segment", "mode=predict", f"checkpoint={own}", *arguments)
    assert done.status == 2 and said in done.err and len(done.err.splitlines()) == 1, done.err
    assert reads == [] and "secret" not in done.err


def test_photos_and_videos_of_a_list_share_an_index(tmp_path, capsys):
    clip, cut = write_clip(tmp_path / "clip.avi", frames=6), write_clip(tmp_path / "cut.avi", frames=20)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    photo, broken = tmp_path / "clip.png", tmp_path / "broken.mp4"
    Image.fromarray(frames_of(clip)[0]).save(photo)
    broken.write_bytes(b"no video")
    rows = predict(learner_of("segment"), [photo, clip, broken, cut, photo], tmp_path / "out", Frames(1, 4))
    assert [row["status"] for row in rows] == ["ok"] * 5 + ["skipped"] + ["ok"] * 5
    assert [row["frame"] for row in rows] == ["", *"0123", "", *"0123", ""]
    assert rows[5]["reason"].startswith(f"{broken}: OpenCV cannot open it") and rows[0]["labels"] == rows[-1]["labels"]
    assert rows[1]["labels"] == str(tmp_path / "out/labels/clip.avi/frame_000000.png"), "clip.png is another"
    out = capsys.readouterr().out
    assert "2 images and 8 frames of 2 videos predicted, 1 skipped" in out and "broken after" not in out
    rows = predict(learner_of("segment"), [cut], tmp_path / "whole")
    assert f"broken after frame {len(rows) - 1} (" in capsys.readouterr().out and 5 < len(rows) < 15
    assert facts(tmp_path / "whole/overlays/cut.webm")[-1] == len(rows)


def test_a_signal_leaves_a_film_that_plays_and_its_lines(tmp_path, capsys):
    clip, seen = write_clip(tmp_path / "clip.mp4", frames=30), []
    learner = learner_of("segment")
    outputs = {key: task.output for key, task in learner.each_task()}

    def find_in(image):
        seen.append(image)
        if len(seen) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return find(learner, image, Stretch(SIZE))

    with pytest.raises(Stopped, match="SIGTERM"), stop_on_signals():
        predict_all([clip], find_in, outputs, tmp_path, upright=False, white=None, which=Frames())
    done = len(rows_of(tmp_path))
    assert 4 <= done <= 6 and facts(tmp_path / "overlays/clip.webm")[-1] == done
    assert f"clip.mp4: {done} frames" in capsys.readouterr().out


def test_a_frame_that_is_refused_is_named(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=3)

    def find_in(image):
        raise UserError("too small")

    with pytest.raises(UserError, match=r"clip\.mp4: frame 0: too small"):
        predict_all([clip], find_in, {}, tmp_path, upright=False, white=None, which=Frames())


def test_a_stream_behind_a_login(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILEVISION_CAMERA_LOGIN", "")  # restored afterwards
    clip, folder = write_clip(tmp_path / "clip.ts", frames=600), tmp_path / "run"
    with camera(clip, "me:se@cret", pause=0.02) as (port, asked):  # many seconds, of which three frames are wanted
        done = command(
            "segment", "mode=predict", f"model={BEFORE / 'export/model.onnx'}", "predict.frames=3",
            f"input=rtsp://me:se%40cret@127.0.0.1:{port}/live?channel=1", f"hydra.run.dir={folder}",
        )  # fmt: skip
        wrong = command(
            "segment", "mode=predict", f"model={BEFORE / 'export/model.onnx'}",
            f"input=rtsp://me:other@127.0.0.1:{port}/live", f"hydra.run.dir={tmp_path / 'wrong'}",
        )  # fmt: skip
    assert done.status == 0, done.err
    address = f"rtsp://127.0.0.1:{port}/live?channel=1"
    assert f"PLAY {address}" in asked
    rows = rows_of(folder)
    assert [row["image"] for row in rows] == [address] * 3
    assert len({int(row["frame"]) for row in rows}) == 3, "a busy machine may miss the first frames of a stream"
    assert [float(row["seconds"]) for row in rows] == sorted(float(row["seconds"]) for row in rows)
    rate, *size, count = facts(folder / "overlays/stream.webm")
    due = 0
    for row in rows:
        due = max(due + 1, int(float(row["seconds"]) * rate) + 1)
    assert size == [96, 64] and abs(count - due) <= 1, "the film keeps the time"
    assert wrong.status == 2 and "/live: no stream answers: check host, port, path and login" in wrong.err
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert address.encode() in written
    for text in (done.out + done.err + wrong.err, written.decode(errors="replace")):
        assert "cret" not in text and "other" not in text


def test_a_film_of_a_camera_keeps_the_time(tmp_path, capsys):
    picture, wanted = np.zeros((48, 64, 3), np.uint8), Semaphore(1)

    def frames(_every):
        for number, seconds in ((0, 0.0), (4, 0.45), (5, 0.5)):
            wanted.acquire(timeout=5)
            yield Frame(number, seconds, picture)

    def find_in(image):
        wanted.release()
        return Prediction({"classify": {"logits": np.array([1.0, 0.0])}}, image, {})

    ended = "ended after 6 frames (0.50 s)"
    video = SimpleNamespace(label="camera 0", live=True, fps=10.0, count=None, broken=ended, frames=frames)
    outputs = {"classify": learner_of("classify").task("classify").output}
    index = Index(tmp_path / "index.csv")
    assert predict_video(video, Path("camera0"), index, find_in, outputs, tmp_path, Frames()) == 3
    assert [row["frame"] for row in rows_of(tmp_path)] == ["0", "4", "5"]
    assert facts(tmp_path / "overlays/camera0.webm") == (10, 64, 48, 6), "half a second and a frame"
    assert f"camera 0: {ended}" in capsys.readouterr().out


def test_what_a_camera_sends_meanwhile_is_left_out():
    sent, go = [], Event()

    def frames():
        for number in range(50):
            sent.append(number)
            yield number
        go.set()

    with ahead(frames(), newest=True) as items:
        go.wait(5)
        assert list(items) == [49], "only the newest is kept"
    sent.clear()
    with ahead(frames()) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert len(sent) < 10, "a file waits, and is left when nobody wants more"


def test_an_error_in_the_thread_comes_after_its_items():
    def frames():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), ahead(frames()) as items:
        assert next(items) == 1
        next(items)


def test_captions_and_legend_lie_on_the_frame():
    learner = learner_of("segment", "classify", "multilabel")
    outputs = {key: task.output for key, task in learner.each_task()}
    frame = np.full((240, 320, 3), 100, np.uint8)
    found = {
        "segment": {"labels": np.repeat([[0] * 160 + [1] * 160], 240, 0).astype(np.uint8)},
        "classify": {"logits": np.array([1.0, 0.0])},
        "multilabel": {"logits": np.array([4.0, -4.0])},
    }
    drawn = frame_overlay(outputs, frame, frame, found)
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    middle = drawn[120]
    np.testing.assert_allclose(middle[[10, -10]], [[45, 45, 155], [45, 155, 45]], atol=1)
    bright = (drawn.min(2) > 190).mean(1) > 0.5
    assert bright[:25].all() and not bright[60:200].any() and bright[-8:].all(), "two captions above, a legend below"
    low = {"labels": found["segment"]["labels"][:60]}
    drawn = frame_overlay({"segment": outputs["segment"]}, frame[:60], frame[:60], {"segment": low})
    assert not (drawn[:45].min(2) > 190).any() and (drawn[45:].min(2) > 190).any(), "at most a quarter"
    only = {"classify": outputs["classify"]}
    drawn = frame_overlay(only, frame, np.zeros((64, 64, 3), np.uint8), found)
    np.testing.assert_array_equal(drawn[60:], frame[60:])  # not the network's input
    assert (frame == 100).all(), "the frame itself stays"


def test_boxes_are_drawn_where_they_are_on_a_small_frame():
    outputs = {key: task.output for key, task in learner_of("detect").each_task()}
    frame = np.full((120, 160, 3), 100, np.uint8)
    found = {"boxes": np.array([[40.0, 30, 121, 101]]), "scores": np.array([0.9]), "labels": np.array([1])}
    drawn = frame_overlay(outputs, frame, frame, {"detect": found})
    changed = np.argwhere((drawn != 100).any(2)[30:85])  # below the name, above the legend
    assert drawn.shape == frame.shape and changed[:, 1].min() == 40 and changed[:, 1].max() == 120


def test_the_index_keeps_no_lines(tmp_path):
    index = Index(tmp_path / "index.csv")
    for number in range(3):
        index.add({"image": "ä,\n", "frame": number})
    index.add({"image": "b", "reason": "new"})
    index.add({"image": "c", "frame": 4})
    assert [list(row.values()) for row in rows_of(tmp_path)] == [
        ["ä,\n", "0", ""], ["ä,\n", "1", ""], ["ä,\n", "2", ""], ["b", "", "new"], ["c", "4", ""],
    ]  # fmt: skip
    assert not [value for value in vars(index).values() if isinstance(value, list)]


def test_a_browser_plays_it(chromium, tmp_path):
    predict(learner_of("segment"), [write_clip(tmp_path / "clip.mp4", frames=25)], tmp_path / "out")
    page = tmp_path / "out" / "page.html"
    page.write_text('<video id="film" src="overlays/clip.webm" muted></video>')
    chromium.open(page)
    found = chromium.driver.execute_async_script(
        "const done = arguments[0], film = document.getElementById('film');"
        "film.onerror = () => done('error');"
        "film.onseeked = () => done([film.videoWidth, film.videoHeight, film.duration, film.currentTime]);"
        "const seek = () => { film.currentTime = 1; };"
        "if (film.error) done('error'); else if (film.readyState) seek(); else film.onloadedmetadata = seek;"
    )
    assert found == [96, 64, 2, 1] and chromium.complaints() == []
