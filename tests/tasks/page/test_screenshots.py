"""The page of an export, and the page that runs the file, on a desk and on a phone: tests/tasks/report/looks.py."""

import json

from tests.tasks.page.test_browser import Page
from tests.tasks.report.looks import photographed


def test_an_export(exported, chromium):
    chromium.open(exported / "report.html")
    rows = chromium.run(
        "return [...document.querySelector('#gate tbody').rows].map((row) => "
        "[0, 1, 2, 3].map((number) => row.cells[number].textContent))"
    )
    assert rows == [
        [row["what"], *row["said"], "yes" if row["holds"] else "no"]
        for row in json.loads((exported / "gate.json").read_text())
    ]
    text = chromium.run("return document.querySelector('#exported').textContent")
    assert json.loads((exported / "model.json").read_text())["sha256"]["model.onnx"] in text
    assert "segment, 19 classes; detect, 8 classes" in text and "tasks.page" in text
    photographed(chromium, "export")


def test_the_page_that_runs_a_network(exported, chromium, serve):
    page = Page(chromium, f"{serve(exported / 'page')}/")
    assert page.choose(exported / "page" / "example" / "image.png").startswith("image.png, ")
    photographed(chromium, "try", quiet=False)
    assert page.complaints() == []
