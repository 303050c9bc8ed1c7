"""The page in Chromium: golden inputs, photos like mode=predict, the camera, wrong files, names from strangers."""

import csv
import json
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.chromium import DESKTOP, PHONE, Chromium

NO_ADAPTER = "No available adapters."  # Chromium's own word on a machine without a GPU
FOUND = """
return import(location.origin + "/app.js").then(({ shown }) => Object.fromEntries(Object.entries(shown.found).map(
  ([task, own]) => [task, Object.fromEntries(Object.entries(own).map(([role, values]) => [role, [...values]]))])));
"""


class Page:
    """The opened page of an export."""

    def __init__(self, chromium: Chromium, address: str) -> None:
        self.chromium, self.run = chromium, chromium.run
        chromium.complaints()  # of an earlier test
        chromium.open(address)
        self.wait("document.getElementById('status').textContent !== 'Opening the network …'")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Until a condition holds."""
        end = time.monotonic() + seconds
        while not self.run(f"return (async () => Boolean(await ({condition})))()"):
            assert time.monotonic() < end, f"{condition}: {self.text('status')}"
            time.sleep(0.03)

    def text(self, part: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", part))

    def click(self, part: str) -> None:
        self.run("document.getElementById(arguments[0]).click()", part)

    def choose(self, file: Path) -> str:
        """Give the page a file; returns what it says."""
        self.run("document.getElementById('status').textContent = ''")
        self.chromium.driver.find_element("id", "file").send_keys(str(file))
        self.wait("!['', 'Looking …'].includes(document.getElementById('status').textContent)")
        return self.text("status")

    def complaints(self) -> list[str]:
        return [line for line in self.chromium.complaints() if NO_ADAPTER not in line]


@pytest.fixture
def open_page(chromium, serve):
    """A function that opens the page of an export's folder."""
    return lambda exported, query="": Page(chromium, f"{serve(exported / 'page')}/{query}")


def picture(folder: Path, name: str, size: tuple[int, int], **options) -> Path:
    """Coarse colours under fine noise, saved as the name says."""
    generator = np.random.default_rng(3)
    coarse = Image.fromarray(generator.integers(0, 200, (5, 7, 3)).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    noise = generator.integers(0, 30, (size[1], size[0], 3)).astype(np.uint8)
    image = Image.fromarray(np.asarray(coarse) + noise)
    image.save(folder / name, **options)
    return folder / name


def test_golden_inputs_give_golden_outputs(open_page, exported):
    page = open_page(exported, "?threads=2")
    assert page.text("status") == "Ready." and page.text("runtime") == "WebAssembly, 2 threads"
    assert page.run("return crossOriginIsolated && document.getElementById('other').hidden")
    page.click("check")
    page.wait("!document.getElementById('checked').hidden")
    assert page.text("status") == "This browser gives what the exporting machine gave."
    rows = page.run(
        "return [...document.querySelectorAll('#checked tr')].slice(1)"
        ".map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert [row[0] for row in rows] == [
        "input bytes",
        *("segment_logits", "detect_logits", "detect_offsets", "classify_logits"),
        *("segment: other labels", "detect: lost boxes", "classify: other class"),
    ]
    for what, value, limit, _ in rows:  # measured here: 2e-6 of the largest value
        assert float(value) <= (1e-5 if what.endswith(("logits", "offsets")) else 0) <= max(float(limit), 0), what
    assert page.complaints() == []


def test_a_file_that_gives_something_else_is_noticed(open_page, exported):
    golden = exported / "page" / "example" / "detect_offsets.npy"
    values = np.load(golden)
    np.save(golden, values + np.abs(values).max() / 100)
    page = open_page(exported)
    page.click("check")
    page.wait("!document.getElementById('checked').hidden")
    assert page.text("status") == "This browser gives something else than the exporting machine."
    unlike = page.run("return [...document.querySelectorAll('#checked .unlike th')].map((cell) => cell.textContent)")
    assert unlike == ["detect_offsets"]


def predicted(command, exported: Path, photos: Path, folder: Path, upright: bool):
    """What mode=predict says of each photo by its name: boxes, label map, likeliest classes."""
    words = (f"model={exported / 'model.onnx'}", f"input={photos}", f"upright={upright}", f"hydra.run.dir={folder}")
    result = command("multitask", "mode=predict", *words)
    assert result.status == 0, result.err
    with (folder / "index.csv").open(newline="") as file:
        rows = {Path(row["image"]).name: row for row in csv.DictReader(file)}
    found = {}
    for name, row in rows.items():
        with Image.open(row["labels"]) as image:
            labels = np.asarray(image)
        classes = {int(row[f"class{place}"]): float(row[f"probability{place}"]) for place in range(1, 6)}
        found[name] = json.loads(Path(row["boxes"]).read_text()), labels, classes
    return found


@pytest.mark.parametrize("upright", [False, True])
def test_photos_give_what_mode_predict_gives(open_page, command, exported, tmp_path, upright):
    photos = tmp_path / "photos"
    photos.mkdir()
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    gamma = PngInfo()
    gamma.add(b"gAMA", (100_000).to_bytes(4, "big"))  # asks for other colours, which mode=predict does not give
    files = [
        picture(photos, "a.png", (211, 140), pnginfo=gamma),
        picture(photos, "b.png", (1, 1)),
        picture(photos, "c.jpg", (640, 427), quality=92),
        picture(photos, "d.jpg", (150, 100), quality=90, exif=exif),
        picture(photos, "e.jpg", (4000, 30), quality=90),
    ]
    description = exported / "page" / "model.json"
    model = json.loads(description.read_text())
    model["input"]["upright"] = upright
    description.write_text(json.dumps(model))
    expected = predicted(command, exported, photos, tmp_path / "predicted", upright)
    page = open_page(exported)
    for file in files:
        boxes, labels, classes = expected[file.name]
        height, width = labels.shape
        assert page.choose(file) == f"{file.name}, {height}×{width} pixels (height×width)"
        found = page.run(FOUND)
        ids = np.array([each["id"] for each in model["tasks"]["segment"]["classes"]])
        assert (ids[found["segment"]["labels"]].reshape(labels.shape) == labels).mean() >= 0.999, file.name
        names = [model["tasks"]["detect"]["classes"][label]["name"] for label in found["detect"]["labels"]]
        assert names == [each["category"] for each in boxes], file.name
        np.testing.assert_allclose(found["detect"]["scores"], [each["score"] for each in boxes], atol=1e-4)
        corners = np.array(found["detect"]["boxes"]).reshape(-1, 4)
        sides = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1)
        np.testing.assert_allclose(sides, [each["bbox"] for each in boxes], atol=0.05)
        shown = page.run(
            "return [...document.querySelectorAll('#results section:last-child .name')].map((e) => e.textContent)"
        )
        assert shown == [model["tasks"]["classify"]["classes"][number] for number in classes]
    assert page.complaints() == []


def test_the_camera_runs_and_stops(open_page, exported):
    page = open_page(exported, "?runtime=wasm")
    page.click("camera")
    page.wait("document.getElementById('timings').textContent.includes('frames a second')")
    assert page.text("camera") == "Stop the camera" and page.text("status").startswith("The camera is on.")
    assert page.run("return import(location.origin + '/app.js').then(({ shown }) => shown.rate)") > 0
    assert page.run("return import(location.origin + '/app.js').then(({ shown }) => shown.size)") == [480, 640]
    page.run(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'));"
    )
    assert page.text("status") == "The camera stopped when the page was hidden."
    assert page.text("camera") == "Use the camera"
    page.run("delete document.hidden")
    page.click("camera")
    page.wait("document.getElementById('camera').textContent === 'Stop the camera'")
    page.click("camera")
    assert page.text("status") == "The camera is off."
    assert page.complaints() == []


def test_a_photo_may_be_dropped_and_thresholds_moved(open_page, exported):
    description = exported / "page" / "model.json"
    model = json.loads(description.read_text())
    model["trained"] |= {"date": "2026-11-29", "scores": {"detect/mAP": 0.40986}}
    description.write_text(json.dumps(model))
    page = open_page(exported)
    page.run(
        "return fetch('example/image.png').then((answer) => answer.blob()).then((blob) => {"
        "  const transfer = new DataTransfer();"
        "  transfer.items.add(new File([blob], 'dropped.png', { type: 'image/png' }));"
        "  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));"
        "})"
    )
    page.wait("document.getElementById('status').textContent === 'dropped.png, 64×128 pixels (height×width)'")
    scores = page.run(FOUND)["detect"]["scores"]
    counts = (
        "return [...document.querySelectorAll('#results section:nth-child(2) li')].map((e) => +e.lastChild.textContent)"
    )
    for threshold in (0.3, 0.5, 1.0):
        page.run(
            "const slider = document.getElementById('threshold-detect'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'));",
            threshold,
        )
        assert sum(page.run(counts)) == sum(score >= threshold for score in scores), threshold
    assert len(page.run(counts)) == len(model["tasks"]["detect"]["classes"]), "those without a box have a 0"
    network, *rest = page.text("trained").split(" · ")
    assert "MobileNetV3 + SSDLite" in network
    assert rest == ["trained on 2026-11-29", "detect/mAP 0.410 on its validation images"]
    assert page.complaints() == []


def test_wrong_files_are_named(open_page, exported, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "cut.png").write_bytes(picture(tmp_path, "whole.png", (40, 30)).read_bytes()[:60])
    page = open_page(exported)
    assert page.choose(tmp_path / "notes.txt") == "notes.txt is no image that this browser can read"
    assert page.choose(tmp_path / "cut.png") == "cut.png is no image that this browser can read"
    assert page.run("return document.getElementById('canvas').hidden")
    assert page.choose(tmp_path / "whole.png") == "whole.png, 30×40 pixels (height×width)"
    assert page.complaints() == []


def test_names_from_strangers_are_text(open_page, exported):
    name = "<img src=x onerror=alert(1)>"
    description = exported / "page" / "model.json"
    model = json.loads(description.read_text())
    for task in model["tasks"].values():
        task["classes"] = [name if isinstance(entry, str) else {**entry, "name": name} for entry in task["classes"]]
    description.write_text(json.dumps(model))
    page = open_page(exported)
    page.click("example")
    page.wait("!document.getElementById('canvas').hidden")
    assert name in page.text("results")
    assert page.run("return document.querySelectorAll('#results img').length") == 0
    refused = page.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = true';"
        "document.body.append(script); return window.ran === undefined"
    )
    assert refused, "no script but the page's own runs"
    assert any("Content Security Policy" in line for line in page.complaints())


def test_a_folder_that_is_not_whole_says_so(open_page, exported):
    (exported / "page" / "model.onnx").write_bytes(b"nothing")
    page = open_page(exported)
    assert page.text("status").startswith("The network could not be opened: ")
    (exported / "page" / "model.onnx").unlink()
    page = open_page(exported)
    assert page.text("status") == "The network could not be opened: /model.onnx: 404 Not Found"
    assert page.run("return [...document.querySelectorAll('button')].every((button) => button.disabled)")
    for text, said in (
        ("{", "model.json is no JSON: "),
        ('{"file": "model.onnx"}', "model.json: outputs (nothing) is not"),
    ):
        (exported / "page" / "model.json").write_text(text)
        told = open_page(exported).text("status")
        assert told.startswith(f"The network could not be opened: {said}") and "\n" not in told


def test_any_static_server_will_do_with_one_thread(chromium, exported):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(exported / "page"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        page = Page(chromium, f"http://localhost:{server.server_port}/")
        assert page.text("runtime").startswith("WebAssembly, 1 thread; this server sends no COOP and COEP headers")
        page.click("example")
        page.wait("!document.getElementById('canvas').hidden")
        assert page.complaints() == []
        server.shutdown()


def test_looks(open_page, exported, chromium, tmp_path):
    page = open_page(exported)
    page.run("document.getElementById('choose').focus()")
    for name, size, scheme in (("desktop", DESKTOP, "light"), ("phone", PHONE, "dark")):
        chromium.resize(size)
        chromium.scheme(scheme)
        assert not chromium.overflows(), name
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 27)"}[scheme]
        page.run("document.getElementById('example').click()")
        page.wait("!document.getElementById('canvas').hidden")
        assert not chromium.overflows(), name
        chromium.photograph(tmp_path / f"{name}.png", whole=True)
    chromium.resize(DESKTOP)
    chromium.scheme("light")
    reached = page.run("return [...document.querySelectorAll('button, input, a')].every((e) => e.tabIndex === 0)")
    assert reached and page.run("return document.getElementById('status').getAttribute('role')") == "status"
    assert page.complaints() == []
