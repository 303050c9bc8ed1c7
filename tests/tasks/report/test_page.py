"""Runs' pages in a browser: what they say is what the run's files say, in any size and colours, without a complaint."""

import json

import pytest

from tests.chromium import DESKTOP, PHONE

TINY = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "data.workers=0")
QUICK = ("trainer.log_every_n_steps=1", "data.batch_size=3", "trainer.accelerator=cpu", "norm_start=initial")


@pytest.fixture
def shown(command, chromium, tmp_path):
    """Runs a command, opens its page, and returns the folder."""

    def go(name, *arguments):
        folder = tmp_path / "run"
        result = command(name, *arguments, *TINY, *QUICK, f"hydra.run.dir={folder}")
        assert not result.status, result.err
        assert f"report    {folder / 'report.html'}" in result.out
        chromium.open(folder / "report.html")
        check_sizes(chromium)
        return folder

    return go


def check_sizes(chromium):
    for size in (PHONE, DESKTOP):
        chromium.resize(size)
        for scheme in ("light", "dark"):
            chromium.scheme(scheme)
            assert not chromium.overflows(), f"{size}, {scheme}"
    assert chromium.complaints() == []


def check_keys(chromium):
    """Charts zoom and read out values by keys."""
    press = (
        "const box = document.querySelector('#curves .chart'); box.focus();"
        "for (const key of arguments[0]) box.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
        "return new Promise(done => setTimeout(() => done([box.querySelector('.u-value').textContent,"
        "document.querySelector('#curves .reset').hidden]), 50))"
    )
    first, whole = chromium.run(press, ["ArrowRight"])
    second, _ = chromium.run(press, ["ArrowRight"])
    assert whole and float(first) < float(second), "the epochs of the first two steps"
    assert chromium.run(press, ["+"])[1] is False, "there is something to show again"
    assert chromium.run(press, ["0"])[1] is True
    assert chromium.complaints() == []


def check_maps(chromium):
    """Label maps are painted from their labels."""
    painted = (
        "return new Promise(done => setTimeout(() => { const canvas = document.querySelector('.maps canvas');"
        "done([...canvas.getContext('2d').getImageData(0, arguments[0], 1, 1).data]) }, 80))"
    )
    press = "[...document.querySelectorAll('.choice label')].find(e => e.textContent === arguments[0]).click()"
    chromium.run(press, "truth")
    assert chromium.run(painted, 10)[:3] == [70, 70, 70], "building, on the left"
    assert chromium.run(painted, 0)[3] == 0, "void has no colour"
    chromium.run(press, "errors")
    assert chromium.run(painted, 0)[:3] == [0, 0, 0] and chromium.run(painted, 0)[3] > 0
    assert {"road", "building", "sky"} <= {*chromium.texts(".chip")}
    assert chromium.complaints() == []


def numbers(chromium, selector):
    """The numbers that elements show, with all their digits, by the text of the cell before them."""
    rows = chromium.run(
        "return [...document.querySelectorAll(arguments[0])].map(row => [...row.children].map("
        "cell => [cell.textContent, cell.dataset.value ?? null]))",
        selector,
    )
    return {row[0][0]: [(text, None if exact is None else float(exact)) for text, exact in row[1:]] for row in rows}


def test_scores_are_those_of_metrics_json(shown, chromium, cityscapes):
    folder = shown("segment", "dataset=cityscapes", f"dataset.root={cityscapes}", "trainer.max_epochs=2")
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = numbers(chromium, "#scores tbody tr")
    assert rows["mIoU"] == [(f"{metrics['mIoU']:.4f}", metrics["mIoU"])]
    assert rows["pixel_accuracy"] == [(f"{metrics['pixel_accuracy']:.4f}", metrics["pixel_accuracy"])]
    ious = {key.removeprefix("iou/"): value for key, value in metrics.items() if key.startswith("iou/")}
    assert {name: rows[name] for name in ious} == {
        name: [("–", None) if value is None else (f"{value:.4f}", value)] for name, value in ious.items()
    }
    assert float(chromium.run("return document.querySelector('.big b').dataset.value")) == metrics["mIoU"]
    text = chromium.run("return document.body.textContent")
    assert "python -m tasks.segment dataset=cityscapes" in text and "6 training and 5 validation images" in text
    assert chromium.run("return document.querySelector('.state').textContent") == "finished"
    titles = chromium.run(
        "return [...document.querySelectorAll('#curves figcaption')].map(e => e.firstChild.textContent)"
    )
    assert {"Loss", "Learning rate", "Validation scores", "Images per second"} <= {*titles}
    assert chromium.run("return [...document.querySelectorAll('#curves canvas')].every(c => c.width > 100)")
    check_keys(chromium)
    check_maps(chromium)


def test_texts_of_files_stay_texts(chromium, tmp_path):
    from tasks.report.write import write_report

    evil = "</script><img src=x onerror=alert(1)><script>alert(1)</script>"
    (tmp_path / "network.json").write_text(json.dumps({evil: {"params": 1, "multiply_adds": 1}}))
    (tmp_path / "metrics.json").write_text(json.dumps({"mIoU": 1.0, f"iou/{evil}": 0.5, "images": 1}))
    (tmp_path / "metrics.csv").write_text(f"epoch,step,train/{evil},train/loss\n0,1,1.0,2.0\n")
    (tmp_path / "config.yaml").write_text(json.dumps({"seed": evil}))
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(json.dumps([evil]))
    (tmp_path / "run.log").write_text(evil)
    chromium.open(write_report(tmp_path))
    assert chromium.run("return document.querySelectorAll('main img, main script').length") == 0
    assert evil in chromium.run("return document.querySelector('#scores').textContent")
    assert evil in chromium.run("return document.querySelector('.log').textContent")
    assert chromium.complaints() == []


def test_a_page_allows_no_network(chromium, tmp_path):
    from tasks.report.write import write_report

    (tmp_path / "metrics.json").write_text(json.dumps({"mIoU": 1.0, "images": 1}))
    chromium.open(write_report(tmp_path))
    tried = "return fetch('data:text/plain,x').then(() => 'loaded', () => 'refused')"
    assert chromium.run(tried) == "refused"
    assert any("Content Security Policy" in line for line in chromium.complaints())
    chromium.run(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    assert chromium.run("return window.ran ?? 0") == 0
    chromium.complaints()


def test_a_detectors_boxes_follow_the_threshold(shown, chromium, coco):
    folder = shown("detect", "dataset=coco", f"dataset.root={coco}", "image_size=[64,64]", "trainer.max_epochs=1")
    record = json.loads((folder / "report" / "detect" / "pictures.json").read_text())
    curves = json.loads((folder / "report" / "detect" / "curves.json").read_text())
    matrix = chromium.run(
        "return [...document.querySelectorAll('.matrix tbody td')].reduce((sum, cell) => sum + +cell.dataset.value, 0)"
    )
    assert matrix == sum(map(sum, curves["confusion"]["counts"])) > 0
    assert {"Precision over recall at IoU 0.5", "F1 over the score's threshold"} <= {
        *chromium.run("return [...document.querySelectorAll('.plot')].map(e => e.dataset.title)")
    }
    for threshold in (0.1, 0.6):
        chromium.run(
            "const bar = document.querySelector('.threshold input'); bar.value = arguments[0];"
            "bar.dispatchEvent(new Event('input'))",
            threshold,
        )
        expected = [told(picture, threshold) for picture in record["pictures"]]
        assert [text.split(": ")[1] for text in chromium.texts("#pictures figcaption > span:nth-child(2)")] == expected
    sizes = chromium.run(
        "return [...document.querySelectorAll('#pictures .photo')].map(e => e.clientWidth / e.clientHeight)"
    )
    assert sizes == pytest.approx([p["width"] / p["height"] for p in record["pictures"]], rel=0.02), "own proportions"
    assert len({round(size, 1) for size in sizes}) > 1
    chromium.run("document.querySelector('.open').click()")
    assert chromium.run("return document.querySelector('dialog').open")
    assert chromium.complaints() == []


def told(picture, threshold):
    """The caption of a picture, matched here without what was matched there: greedily by score, IoU 0.5 or more."""
    free = [box for box in picture["truth"] if not box[5]]
    crowds = [box for box in picture["truth"] if box[5]]
    right = wrong = 0
    for box in sorted((box for box in picture["found"] if box[5] >= threshold), key=lambda box: -box[5]):
        overlaps = [(overlap(box, truth), number) for number, truth in enumerate(free) if truth[4] == box[4]]
        best, number = max(overlaps, default=(0, 0))
        if best >= 0.5:
            free.pop(number)
            right += 1
        elif not any(truth[4] == box[4] and overlap(box, truth, own=True) >= 0.5 for truth in crowds):
            wrong += 1
    return f"{right} right, {wrong} wrong, {len(free)} missed"


def overlap(box, truth, own=False):
    width = min(box[2], truth[2]) - max(box[0], truth[0])
    height = min(box[3], truth[3]) - max(box[1], truth[1])
    common = max(0, width) * max(0, height)
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, truth)]
    return common / (areas[0] if own else sum(areas) - common or 1)
