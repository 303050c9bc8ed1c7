"""Files that were sabotaged in ways that hardly change a score: each is refused, and the row that says so is named."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.decoders import DECODERS
from tasks.deploy.parity_check import check_parity
from tasks.deploy.reference import Reference
from tasks.deploy.runners.runner import Runner
from tasks.deploy.written import open_written
from tests.tasks.deploy.conftest import SIZE, noise

pytest.importorskip("onnxruntime")
SETTINGS = {"gate": "fail", "tolerance": None, "metric": False, "mixed": False, "budget": 0.01}
RUNTIMES = {"final": "onnx", "decoded": "onnx", "raw": "torch"}  # files that other tests open, too
PHOTOS = [image.permute(1, 2, 0).numpy() for image in noise(6, (64, 128), seed=1)]


class Photos(list):
    """Validation images."""

    def read(self, index):
        return {"image": self[index]}


class Sabotaged(Runner):
    """A file whose outputs are changed on their way: `change(own)` for a task's tensors by role."""

    def __init__(self, runner: Runner, task: str, change) -> None:
        self.runner, self.task, self.change = runner, task, change
        self.names, self.shape, self.manifest = runner.names, runner.shape, runner.manifest

    def of_batch(self, images):
        outputs, roles = self.runner.of_batch(images), self.manifest["tasks"][self.task]["outputs"]
        own = {role: outputs[key].copy() for role, key in roles.items()}
        self.change(own)
        return outputs | {roles[role]: tensor for role, tensor in own.items()}


@pytest.fixture
def gate(shipped, tmp_path):
    """The parity check of a file: the rows, and what is refused."""

    def run(form, task=None, change=None, edit=None, decoder=(), images=6, runtime=None, damage=None):
        made = shipped(runtime or RUNTIMES[form], form)
        card = {name: entry.metadata() for name, entry in made.learner.each_task()}
        reference = Reference(made.learner, Stretch(SIZE), False, None, json.loads(json.dumps(card)))
        manifest = read_manifest(made.folder / made.manifest["file"])
        if edit is not None:
            edit(manifest)
        runner = made.runner if change is None else Sabotaged(made.runner, task, change)
        if damage is not None:
            path = shutil.copytree(made.folder, tmp_path / "damaged") / manifest["file"]
            damage(path)
            runner = open_written(path, manifest, threads=1)
        if decoder:
            name, source = decoder
            (tmp_path / name).write_bytes(source)
        data = SimpleNamespace(val=Photos(PHOTOS[:images]), input_size=lambda: SIZE)
        said = ""
        try:
            settings = SimpleNamespace(**{**SETTINGS, "images": images})
            check_parity(reference, settings, None, data, manifest, runner, tmp_path, tmp_path)
        except UserError as error:
            said = str(error)
        return json.loads((tmp_path / "gate.json").read_text()), said

    return run


def kept(own, which):
    """Only these of the final boxes, moved together."""
    order = np.argsort(~which[0], kind="stable")
    for role, empty in (("boxes", 0), ("scores", 0), ("labels", -1)):
        own[role] = own[role][:, order]
        own[role][:, int(which.sum()) :] = empty


def times(role, factor):
    def change(own):
        own[role] *= np.float32(factor)

    return change


def plus(role, step, where=slice(None)):
    def change(own):
        own[role][..., where] += np.float32(step)

    return change


def drop_below(share):
    return lambda own: kept(own, (own["labels"] >= 0) & (own["scores"] > np.quantile(own["scores"], share)))


def drop_one(own):
    which = own["labels"] >= 0
    which[0, which[0].sum() // 2] = False
    kept(own, which)


def half_a_pixel(own):
    own["boxes"] += np.float32(0.5) * (own["labels"] >= 0)[..., None]


def swap_classes(own):
    own["labels"] = np.choose(np.clip(own["labels"] + 1, 0, 3), [own["labels"], 1, 0, own["labels"]]).astype(np.int32)


def repeat_the_best(own):
    for role in own:
        own[role][:, -1] = own[role][:, 0]


def worst_first(own):
    for role in own:
        own[role] = own[role][:, ::-1].copy()


def one_pixel(own):
    own["labels"] = np.roll(own["labels"], 1, 2)


def half_a_pixel_of_map(own):
    """Every second column is its neighbour's: as if asymmetric coordinates had been used."""
    own["labels"][:, :, 1::2] = own["labels"][:, :, ::2]


def swap_rare(own):
    labels = own["labels"]
    rarest = int(np.unique(labels, return_counts=True)[0][np.unique(labels, return_counts=True)[1].argmin()])
    labels[labels == rarest] = (rarest + 1) % 19


def flatter(own):
    shares = own["probabilities"] ** np.float32(0.995)
    own["probabilities"] = shares / shares.sum(1, keepdims=True)


def swap_unlikely(own):
    order = np.argsort(own["probabilities"][0])
    own["probabilities"][:, order[:2]] = own["probabilities"][:, order[1::-1]]


def swap_channels(role, one, two):
    def change(own):
        own[role][:, [one, two]] = own[role][:, [two, one]]

    return change


def shift_map(own):
    own["logits"] = 0.98 * own["logits"] + 0.02 * np.roll(own["logits"], 1, 3)


SET, BOXES, SCORES = "the same set", "detect: boxes, pixels", "detect: scores"
OUTPUTS = {
    "scores × 0.55": ("final", "detect", times("scores", 0.55), SCORES),
    "scores × 0.999": ("final", "detect", times("scores", 0.999), SCORES),
    "half of the boxes dropped": ("final", "detect", drop_below(0.5), SET),
    "one box dropped": ("final", "detect", drop_one, SET),
    "half a pixel": ("final", "detect", half_a_pixel, BOXES),
    "classes of boxes swapped": ("final", "detect", swap_classes, SET),
    "a box twice": ("final", "detect", repeat_the_best, SET),
    "worst first": ("final", "detect", worst_first, SET),
    "a label map moved": ("final", "segment", one_pixel, "segment: same label"),
    "a label map moved by half a pixel": ("decoded", "segment", half_a_pixel_of_map, "segment: same label"),
    "a rare label": ("final", "segment", swap_rare, "segment: same label"),
    "temperature": ("final", "classify", flatter, "tensor classify_probabilities"),
    "two unlikely classes": ("decoded", "classify", swap_unlikely, "classify_probabilities, share of itself"),
    "boxes of all anchors moved": ("decoded", "detect", plus("boxes", 0.06), "tensor detect_boxes"),
    "small scores": ("decoded", "detect", times("scores", 1.02), "tensor detect_scores"),
    "logits of labels × 1.0005": ("raw", "segment", times("logits", 1.0005), "tensor segment_logits"),
    "logits moved": ("raw", "segment", shift_map, "tensor segment_logits"),
    "channels swapped": ("raw", "segment", swap_channels("logits", 17, 18), "tensor segment_logits"),
    "offsets": ("raw", "detect", plus("offsets", 0.02, slice(1)), "tensor detect_offsets"),
    "logits of classes": ("raw", "classify", swap_channels("logits", 0, 1), "tensor classify_logits"),
}


@pytest.mark.parametrize("how", OUTPUTS)
def test_sabotaged_outputs_are_refused(gate, how):
    form, task, change, named = OUTPUTS[how]
    rows, said = gate(form, task, change)
    wrong = [row["what"] for row in rows if not row["holds"]]
    assert any(named in what for what in wrong), rows
    assert said.startswith("model.") and f" does not do what the checkpoint does: {wrong[0]} is " in said
    assert all(row["holds"] for row in rows if task not in row["what"])


def in_last(kind, change):
    """Change the words of an ncnn file's last layer of a kind: kind, name, two counts, tensors, settings."""

    def damage(path):
        lines = path.read_text().splitlines()
        place = max(number for number, line in enumerate(lines) if line.startswith(f"{kind} "))
        lines[place] = " ".join(change(lines[place].split()))
        path.write_text("\n".join(lines) + "\n")

    return damage


def aligned_corners(words):
    return ["6=1" if word == "6=0" else word for word in words]


def other_levels(words):
    return [*words[:4], words[5], words[4], *words[6:]]


def last_bias(path):
    weights = np.fromfile(path.with_suffix(".bin"), np.float32)
    weights[-1] += 0.01
    weights.tofile(path.with_suffix(".bin"))


NCNN = {
    "nothing": (None, ""),
    "aligned corners": (in_last("Interp", aligned_corners), "tensor segment_logits"),
    "levels in another order": (in_last("Concat", other_levels), "tensor detect_offsets"),
    "a bias": (last_bias, "tensor classify_logits"),
}


@pytest.mark.parametrize("how", NCNN)
def test_a_sabotaged_ncnn_file_is_refused(gate, how):
    """Of those that ncnn still reads and runs; one to which nothing was done passes."""
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    damage, named = NCNN[how]
    rows, said = gate("raw", runtime="ncnn", damage=damage, images=1)
    wrong = [row["what"] for row in rows if not row["holds"]]
    if damage is None:
        assert not said and not wrong
        return
    assert said.startswith("model.param does not do what the checkpoint does: ")
    assert any(named in what for what in wrong), rows
    task = named.removeprefix("tensor ").partition("_")[0]
    assert all(task in what for what in wrong)


def put(*places, value):
    def edit(manifest):
        node = manifest
        for place in places[:-1]:
            node = node[place]
        node[places[-1]] = value(node.get(places[-1]) if isinstance(node, dict) else node[places[-1]])

    return edit


def swapped(entries):
    return [entries[1], entries[0], *entries[2:]]


FIELDS = {
    "tasks.classify.classes[0]": put("tasks", "classify", "classes", value=swapped),
    "tasks.segment.classes[2].name": put("tasks", "segment", "classes", 2, "name", value=lambda _: "sky"),
    "tasks.segment.classes[2].id": put("tasks", "segment", "classes", 2, "id", value=lambda old: old + 1),
    "tasks.segment.classes[3].colour[0]": put("tasks", "segment", "classes", 3, "colour", 0, value=lambda c: 255 - c),
    "tasks.detect.classes[1].id": put("tasks", "detect", "classes", 1, "id", value=lambda old: old + 50),
    "tasks.detect.threshold": put("tasks", "detect", "threshold", value=lambda _: 0.9),
    "tasks.detect.select.overlap": put("tasks", "detect", "select", "overlap", value=lambda _: 0.56),
    "tasks.detect.score": put("tasks", "detect", "score", value=lambda _: "sigmoid"),
    "tasks.classify.temperature": put("tasks", "classify", "temperature", value=lambda _: 1.2),
    "input.upright": put("input", "upright", value=lambda old: not old),
    "input.white": put("input", "white", value=lambda _: 4095),
    "input.colours": put("input", "colours", value=lambda _: "BGR"),
    "input.mean[0]": put("input", "mean", value=lambda old: [0.5, *old[1:]]),
    "input.normalisation": put("input", "normalisation", value=lambda _: "none"),
    "input.resize.antialias": put("input", "resize", "antialias", value=lambda old: not old),
    "tasks.segment.pixels": put("tasks", "segment", "pixels", value=lambda _: "a class for each corner"),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_false_description_is_refused(gate, field):
    """Also where the description inside the file was changed as well, so that reading it noticed nothing."""
    rows, said = gate("raw", edit=FIELDS[field], images=1)
    assert said.startswith(f"model.pt2 does not do what the checkpoint does: model.json's {field} is "), said
    assert "\n" not in said and "in the checkpoint" in said
    wrong = {row["what"] for row in rows if not row["holds"]}
    assert f"model.json's {field}" in wrong


@pytest.mark.parametrize("name", DECODERS)
def test_another_decoder_is_refused(gate, name):
    source = DECODERS[name].read_bytes()
    rows, said = gate("final", decoder=(name, source), images=1)
    assert not said and any(row["what"] == name for row in rows)
    rows, said = gate("final", decoder=(name, source.replace(b"0.5", b"0.0")), images=1)
    assert f"does not do what the checkpoint does: {name} is not the one of this version" in said


MARGIN = 10  # times nearer than allowed


@pytest.mark.parametrize("form", ["final", "decoded", "raw"])
def test_an_honest_file_passes_with_a_margin(gate, form):
    rows, said = gate(form)
    assert not said
    for row in rows:
        print(f"{form:8} {row['what']:44} {row['worst']:9.2e} of {row['limit']}")
        assert row["worst"] == 1 if row["at_least"] else row["worst"] <= row["limit"] / MARGIN
    (boxes,) = (row["what"] for row in rows if SET in row["what"])
    assert int(boxes.split()[1]) > 200 and len(rows) >= 9
