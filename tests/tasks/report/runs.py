"""Folders of runs, written by hand."""

import json

from PIL import Image


def write_run(folder, seed, score):
    """A detector's folder with one curve, three scores and two images, of which the second has the run's own name."""
    records = folder / "report" / "detect"
    records.mkdir(parents=True)
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "overrides.yaml").write_text(f"- seed={seed}\n")
    (folder / "config.yaml").write_text(f"mode: train\nseed: {seed}\ntrainer:\n  max_epochs: 2\n")
    (folder / "network.json").write_text(
        json.dumps({"height": 8, "width": 8, "detect": {"params": 5, "multiply_adds": 7}})
    )
    (folder / "metrics.json").write_text(json.dumps({"mAP": score, "mAP50": None, "AP/a": score / 2, "images": 2}))
    (folder / "metrics.csv").write_text("epoch,step,train/loss,val/mAP\n0,0,2.0,\n0,1,1.5,0.1\n1,3,1.0,0.2\n")
    (records / "curves.json").write_text(json.dumps({"charts": [], "best": [["all classes", 0.25, 0.5, 0.5, 0.5]]}))
    pictures = []
    for number, name in enumerate(("same.jpg", f"{seed}.jpg")):
        Image.new("RGB", (32, 16), (90 * number, 40, 40)).save(records / f"p{number}.jpg")
        found = [[1, 1, 9, 9, 0, 0.6, 0], [20, 1, 30, 9, 0, 0.3, -1]]
        entry = {
            "name": name,
            "kind": "spread",
            "width": 64,
            "height": 32,
            "truth": [[0, 0, 9, 9, 0, 0]],
            "found": found,
        }
        pictures.append({**entry, "files": {"image": f"p{number}.jpg"}})
    about = {"type": "boxes", "classes": [{"name": "a", "colour": [200, 0, 0]}], "threshold": 0.3, "lowest": 0.02}
    (records / "pictures.json").write_text(json.dumps({**about, "pictures": pictures}))
    return folder
