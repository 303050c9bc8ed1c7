"""docs/python.md: its blocks run one after the other, as a reader would type them."""

import re
from pathlib import Path

from PIL import Image

from tasks.app import program
from tasks.app.program import Run
from tasks.app.rehearsal import rehearse
from tests.tasks.app.test_load import SEGMENT

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def test_the_page(cityscapes, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    cityscapes.rename(tmp_path / "data" / "cityscapes")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (128, 64), "grey").save("street.jpg")
    folder = tmp_path / "outputs" / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "best.ckpt").write_bytes(SEGMENT.read_bytes())

    def run(task, mode, words):
        if mode == "train":
            rehearse(task, words)  # all that a training does before it trains
        return Run({"mIoU": 0.5}, folder)

    monkeypatch.setattr(program, "run", run)
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert Image.open("seen.png").width >= 128 and Path("seen.json").stat().st_size > 100
    assert sum(names["areas"].values()) == 64 * 128
    assert set(names["maps"]) >= {"c5"} and names["outputs"].shape == (2, 2, 8, 12), names["outputs"].shape
