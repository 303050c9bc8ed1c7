"""What exports, benchmarks, searches and the doctor have left in a folder, as data and in a browser."""

import json

import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.report.outcome import outcome
from tasks.report.reading import Parts
from tasks.report.write import write_report


@pytest.fixture
def folder(tmp_path):
    gate = [
        {"what": "tensor logits", "worst": 2e-6, "limit": 0.001, "at_least": False, "holds": True},
        {
            "what": "same label",
            "worst": 0.5,
            "limit": 0.999,
            "at_least": True,
            "holds": False,
            "said": ["50 %", "≥ 99.9 %"],
        },
    ]
    (tmp_path / "gate.json").write_text(json.dumps(gate))
    (tmp_path / "benchmark.json").write_text(json.dumps([{"name": "<i>a</i>", "params": 5000, "network_p50_ms": 1.5}]))
    (tmp_path / "history.csv").write_text("network,score\nseed,0.5\n<b>,\nlong,1,2,3\n")
    finding = {"level": "wrong", "split": "train", "text": "<script>1</script>", "advice": "remove it", "examples": []}
    (tmp_path / "doctor.json").write_text(json.dumps({"findings": [finding]}))
    (tmp_path / "run.log").write_text(
        "1 box twice; python -m tasks.doctor shows them\nepoch 1/2\nleft out  a.<b>onnx is damaged\n"
    )
    Image.new("RGB", (8, 6)).save(tmp_path / "search.png")
    return tmp_path


def test_what_is_read(folder):
    found = outcome(folder, (folder / "run.log").read_text().splitlines(), Parts(folder, strict=True))
    assert [row["holds"] for row in found["gate"]] == [True, False]
    assert found["tables"]["history.csv"] == {
        "columns": ["network", "score"],
        "rows": [["seed", 0.5], ["<b>", None], ["long", 1]],
    }
    assert list(found["plots"]) == ["search.png"] and found["noticed"] == ["1 box twice"]
    assert found["omitted"] == ["a.<b>onnx is damaged"]
    (folder / "gate.json").write_text("{}")
    with pytest.raises(UserError, match=r"gate\.json has no list of objects"):
        outcome(folder, [], Parts(folder, strict=True))


def test_the_page_shows_it(folder, chromium):
    chromium.open(write_report(folder))
    cells = chromium.run(
        "return [...document.querySelectorAll('#gate tbody tr')].map(row => row.lastChild.textContent)"
    )
    assert cells == ["yes", "no"]
    text = chromium.run("return document.body.textContent")
    for words in (
        "<i>a</i>",
        "5,000",
        "<script>1</script>",
        "→ remove it",
        "1 box twice",
        "50 %",
        "≥ 99.9 %",
        "Left out: a.<b>onnx is",
    ):
        assert words in text, words
    assert chromium.run("return document.querySelector('.plot-picture').naturalWidth") == 8
    assert chromium.complaints() == []
