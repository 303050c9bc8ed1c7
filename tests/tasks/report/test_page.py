"""Runs' pages in a browser: what they say is what the run's files say, in any size and colours, without a complaint."""

import json

import pytest

from tests.chromium import DESKTOP, PHONE

TINY = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "data.workers=0", "trainer.max_epochs=2")
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


def numbers(chromium, selector):
    """The numbers that elements show, with all their digits, by the text of the cell before them."""
    rows = chromium.run(
        "return [...document.querySelectorAll(arguments[0])].map(row => [...row.children].map("
        "cell => [cell.textContent, cell.dataset.value ?? null]))",
        selector,
    )
    return {row[0][0]: [(text, None if exact is None else float(exact)) for text, exact in row[1:]] for row in rows}


def test_scores_are_those_of_metrics_json(shown, chromium, cityscapes):
    folder = shown("segment", "dataset=cityscapes", f"dataset.root={cityscapes}", "trainer.check_val_every_n_epoch=1")
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
