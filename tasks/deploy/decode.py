"""From an image to an exported file's input, and from its outputs to label maps, boxes and classes. Needs only NumPy.

    model = json.load(open("model.json"))
    image, place = prepare(photo, model)                        # uint8, (1, 3, h, w)
    image = arranged(image, model)                              # (1, h, w, 3) if the file takes pixels
    outputs = {"logits": …}                                     # by name, from any runtime
    found = decode(outputs, model, photo.shape[:2], place)      # {"segment": {"labels": …}}, in the photo's pixels

It ships with the file. There `python decode.py` tests the file on golden/ with ONNX Runtime, OpenVINO or LiteRT.
Import it before onnxruntime: it disables ONNX Runtime's telemetry.
Photos are (H, W, 3) uint8 RGB, turned upright if model["input"]["upright"]. Boxes are xyxy.
"""

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO falls back to a stub

Array = NDArray[Any]
Size = tuple[int, int]  # height, width
Place = tuple[int, int, int, int]  # x, y, width, height of the photo in the input
Found = dict[str, Array]
BLOCK, STRIP = 32, 64  # rows of new pixels computed by one multiplication with a small matrix that fits the cache
FLOATS = 2**18  # numbers of a label map computed at once
UNSURE = 255  # no class is reliably the largest
TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 1e-1}  # of outputs on another processor
SURE = 0.3  # score of the boxes that must be found again


def prepare(photo: Array, model: Mapping[str, Any]) -> tuple[Array, Place]:
    """The file's input (1, 3, h, w) uint8, byte for byte as when the network was scored; and the photo's place in it.

    Raises a ValueError if the file does not take a photo of this size, or the photo is not (H, W, 3) uint8.
    """
    if problem := no_photo(photo):
        raise ValueError(problem)
    takes, rule = model["input"], model["input"]["resize"]
    (height, width), place = fitted(rule, photo.shape[:2])
    if (takes["height"] or height, takes["width"] or width) != (height, width):
        wanted = f"{takes['height']}×{takes['width']} (height×width)"
        raise ValueError(f"it is {height}×{width} pixels, and the file takes {wanted}")
    x, y, across, down = place
    planes = resized(photo, (down, across), rule.get("interpolation"), rule.get("pillow", 0))
    seen = planes[:, max(-y, 0) : height - y, max(-x, 0) : width - x]
    image = np.full((1, 3, height, width), rule.get("fill", 0), np.uint8)
    image[0, :, max(y, 0) : max(y, 0) + seen.shape[1], max(x, 0) : max(x, 0) + seen.shape[2]] = seen
    return image, place


def arranged(images: Array, model: Mapping[str, Any]) -> Array:
    """Images (N, 3, h, w) of prepare() as the file takes them: (N, h, w, 3) if its layout is NHWC."""
    if model["input"].get("layout") != "NHWC":
        return images
    return np.stack([images[:, colour] for colour in range(3)], 3)


def no_photo(photo: Array) -> str:
    """What is wrong with an array that should be (H, W, 3) uint8 RGB, and how to fix it; '' if it is fine.

    Its size may be any: whether the file takes it is for prepare() to say.
    """
    shape = "×".join(map(str, photo.shape))
    if photo.ndim == 4:
        return f"it is a batch ({shape}): give one image (H, W, 3) at a time"
    if photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] == 1):
        return f"it is grey ({shape}): np.repeat(image.reshape(*image.shape[:2], 1), 3, 2) makes it (H, W, 3)"
    if photo.ndim != 3:
        return f"it has {photo.ndim} dimensions ({shape}); an image is (H, W, 3)"
    if photo.shape[2] != 3 and photo.shape[0] in (1, 3, 4):
        return f"its channels come first ({shape}): image.transpose(1, 2, 0) makes it (H, W, {photo.shape[0]})"
    if photo.shape[2] == 4:
        return f"it has an alpha channel ({shape}): image[..., :3] is without it"
    if photo.shape[2] != 3:
        return f"it has {photo.shape[2]} channels ({shape}); an image is (H, W, 3), RGB"
    if photo.size == 0:
        return f"it is empty ({shape}); an image is (H, W, 3), RGB, of at least one pixel"
    if photo.dtype == np.uint8:
        return ""
    told = f"its values are {photo.dtype}, not uint8"
    if photo.dtype.kind == "b":
        return f"{told}: image.astype(np.uint8) * 255"
    if photo.dtype.kind not in "fiu":
        return f"{told}: give the bytes, 0 to 255"
    if not np.isfinite(photo).all():
        return f"{told}, and some are no numbers: give the bytes, 0 to 255"
    low, high = photo.min().item(), photo.max().item()
    told = f"its values are {photo.dtype} from {low:.4g} to {high:.4g}"
    if photo.dtype.kind != "f":
        told = f"its values are {photo.dtype} from {low} to {high}"
    if photo.dtype.kind == "u" and high > 255:
        return f"{told}, not uint8: (image / image.max() * 255).astype(np.uint8), or by the value that is white"
    if low < 0 or high > 255:
        return f"{told}: give the bytes, 0 to 255, not normalised"
    if photo.dtype.kind != "f":
        return f"{told}, not uint8: image.astype(np.uint8)"
    return f"{told}, not uint8: {'image' if high > 1 else '(image * 255)'}.round().astype(np.uint8)"


def fitted(rule: Mapping[str, Any], size: Size) -> tuple[Size, Place]:
    """The input size for a photo of this size by a rule of model.json, and the photo's place in that input."""
    height, width = size
    if rule["rule"] == "none":
        return size, (0, 0, width, height)
    if rule["rule"] == "stretch":
        return (rule["height"], rule["width"]), (0, 0, rule["width"], rule["height"])
    if rule["rule"] == "letterbox":
        scale = min(rule["height"] / height, rule["width"] / width)
        down, across = max(1, round(height * scale)), max(1, round(width * scale))
        place = ((rule["width"] - across) // 2, (rule["height"] - down) // 2, across, down)
        return (rule["height"], rule["width"]), place
    if rule["rule"] != "resize_centre_crop":
        raise ValueError(f"model.json: there is no rule {rule['rule']} for resizing")
    lengths, crop = rule["lengths"], rule["crop"]
    down, across = lengths if len(lengths) == 2 else size
    if len(lengths) == 1:  # of the shorter side
        longer = int(lengths[0] * max(size) / min(size))
        down, across = (longer, lengths[0]) if width <= height else (lengths[0], longer)
    if crop is None:
        return (down, across), (0, 0, across, down)
    y, x = ((crop - side) // 2 if side < crop else -round((side - crop) / 2) for side in (down, across))
    return (crop, crop), (x, y, across, down)


def resized(photo: Array, size: Size, interpolation: str | None, pillow: int = 0) -> Array:
    """A photo as (3, height, width), resized along one axis after the other, rounded in between.

    interpolation: one of Pillow's, by name; None for torch's antialiased bilinear, which uses shorter fractions.
    pillow: its version; from 13 on it resizes the height of tall photos first.
    """
    planes = photo.transpose(2, 0, 1)
    if interpolation == "nearest":
        rows, columns = (nearest_by_steps(old, new) for old, new in zip(photo.shape[:2], size, strict=True))
        return planes[:, rows][:, :, columns]
    lost, lost_across = photo.shape[0] - size[0], photo.shape[1] - size[1]
    down_first = pillow >= 13 and lost > max(0, 2 * lost_across)
    for across in (not down_first, down_first):
        if across and lost_across:
            planes = resampled(planes, size[1], interpolation)
        if not across and lost:
            planes = resampled(planes.swapaxes(1, 2), size[0], interpolation).swapaxes(1, 2)
    return planes


def nearest_by_steps(old: int, new: int) -> Array:
    """Index of the old pixel for each new one; Pillow accumulates the steps one by one, including their rounding."""
    steps = np.full(new, old / new)
    steps[0] /= 2
    result: Array = np.minimum(np.add.accumulate(steps).astype(int), old - 1)
    return result


def triangle(x: Array) -> Array:
    result: Array = np.maximum(1 - np.abs(x), 0)
    return result


def cubic(x: Array) -> Array:
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, (((x - 5) * x + 8) * x - 4) * -0.5, 0))


def lanczos(x: Array) -> Array:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


KERNELS = {None: (triangle, 1), "bilinear": (triangle, 1), "bicubic": (cubic, 2), "lanczos": (lanczos, 3)}  # and reach


def resampled(planes: Array, new: int, interpolation: str | None) -> Array:
    """Resample uint8 planes (3, H, W) to (3, H, new): sums of neighbours, weights rounded to binary fractions."""
    kernel, reach = KERNELS[interpolation]
    old = planes.shape[2]
    wide = max(old / new, 1.0)
    centres = (np.arange(new) + 0.5) * (old / new)
    starts = np.maximum((centres - reach * wide + 0.5).astype(int), 0)
    ends = np.minimum((centres + reach * wide + 0.5).astype(int), old)
    blocks, step = [], max(4, int(BLOCK / wide))
    for block in (slice(first, first + step) for first in range(0, new, step)):
        sources = slice(starts[block][0], ends[block][-1])
        at = np.arange(sources.start, sources.stop)[:, None]
        weights = kernel((at - centres[block] + 0.5) * (1 / wide)) * ((at >= starts[block]) & (at < ends[block]))
        blocks.append((block, sources, weights / np.add.accumulate(weights)[-1]))
    bits = 22  # Pillow's; torch's fractions must fit into 16-bit integers
    if interpolation is None:
        largest = max(weights.max() for *_, weights in blocks)
        bits = next((bits for bits in range(22) if int(0.5 + largest * 2 ** (bits + 1)) >= 2**15), 22)
    kind = np.float32 if bits <= 16 else np.float64  # the sums are exact in either
    whole = 2.0**bits
    blocks = [(*where, (np.trunc(w * whole + np.copysign(0.5, w)) / whole).astype(kind)) for *where, w in blocks]
    made = np.empty((*planes.shape[:2], new), np.uint8)
    for rows in (slice(first, first + STRIP) for first in range(0, planes.shape[1], STRIP)):
        strip = planes[:, rows].astype(kind)
        for block, sources, weights in blocks:
            made[:, rows, block] = np.clip(strip[:, :, sources] @ weights + 0.5, 0, 255)
    return made


def decode(
    outputs: Mapping[str, Array], model: Mapping[str, Any], size: Size, place: Place, row: int = 0
) -> dict[str, Found]:
    """The results of one image by task, in the pixels of its photo of this size.

    outputs: arrays by name; `row` selects the image. place: from prepare().

    The result follows from a task's outputs in model.json. For boxes, or offsets to anchors: boxes (K, 4) float32,
    scores (K) and labels (K) int64, indices into the model's list of classes; best first. For a label or logits per
    pixel: labels (H, W) uint8, also class indices. Anything else, such as logits (C) or probabilities (C) of the whole
    image, is returned unchanged.
    """
    found: dict[str, Found] = {}
    for name, task in model["tasks"].items():
        own = {role: outputs[key][row] for role, key in task["outputs"].items()}
        if own.keys() & {"boxes", "offsets"}:
            seen, _ = fitted(model["input"]["resize"], size)
            boxes, scores, labels = objects(own, task, seen)
            found[name] = {"boxes": moved(boxes, size, place), "scores": scores, "labels": labels}
        elif "logits" in own and own["logits"].ndim == 3:
            found[name] = {"labels": upsampled(own["logits"], size)}
        elif "labels" in own and own["labels"].ndim == 2:
            found[name] = {"labels": nearest(own["labels"], size)}
        else:
            found[name] = own
    return found


def nearest(labels: Array, size: Size) -> Array:
    """Resize a label map: each new pixel takes the old one that contains its centre."""
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, labels.shape, strict=True))
    result: Array = labels[rows][:, columns]
    return result


def upsampled(logits: Array, size: Size) -> Array:
    """The largest class (H, W) of logits (C, h, w) interpolated to this size.

    If one class leads in two neighbouring rows of logits by a margin, it leads in all rows between them. Only the rest
    is computed, so there are never C × H × W numbers.
    """
    logits = logits.astype(np.float32, copy=False)
    first, second, down = neighbours(logits.shape[1], size[0])
    left, right, across = neighbours(logits.shape[2], size[1])
    margin = 1e-6 * np.abs(logits).max() + 1e-43  # well above any rounding
    codes = np.arange(256, 256 + len(logits), dtype=np.float32)  # the sum of two or more exceeds 511

    def stretched(row: int) -> tuple[Array, Array]:
        values = logits[:, row, left] * (1 - across) + logits[:, row, right] * across  # (C, W)
        code = codes @ (values >= values.max(0) - margin).astype(np.float32)
        return values, np.minimum(code - 256, UNSURE).astype(np.uint8)

    labels = np.empty(size, np.uint8)
    rows: dict[int, tuple[Array, Array]] = {}
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    for start, end in zip(starts, [*starts[1:], size[0]], strict=True):
        rows = {row: rows.get(row) or stretched(row) for row in (first[start], second[start])}
        (above, lead), (below, lead_below) = rows[first[start]], rows[second[start]]
        labels[start:end] = lead
        (columns,) = np.nonzero((lead != lead_below) | (lead == UNSURE))
        above, below = above[:, None, columns], below[:, None, columns]
        step = max(1, FLOATS // max(1, above.size))
        for row in range(start, end, step):
            near = down[row : min(row + step, end), None]
            labels[row : row + len(near), columns] = (above * (1 - near) + below * near).argmax(0)
    return labels


def neighbours(old: int, new: int) -> tuple[Array, Array, Array]:
    """The two old pixels around each new one, and its distance from the first; rounded as in torch."""
    at = np.maximum((np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new) - np.float32(0.5), 0)
    first = np.minimum(at.astype(int), old - 1)
    return first, np.minimum(first + 1, old - 1), at - first.astype(np.float32)


def objects(own: Mapping[str, Array], task: Mapping[str, Any], size: Size) -> tuple[Array, Array, Array]:
    """Boxes (K, 4) in an input of this size, scores (K) and labels (K), best first."""
    if "labels" in own:
        kept = own["labels"] >= 0
        return own["boxes"][kept], own["scores"][kept], own["labels"][kept].astype(np.int64)
    if "logits" not in own:
        return selected(own["boxes"], own["scores"], task["select"])
    logits = own["logits"].astype(np.float32)
    if task["score"] == "sigmoid":
        scores = 1 / (1 + np.exp(-logits[:, 1:]))
    else:
        shares = np.exp(logits - logits.max(1, keepdims=True))
        scores = shares[:, 1:] / shares.sum(1, keepdims=True)
    scores[:, task["holes"]] = 0
    return selected(boxes_of(own["offsets"].astype(np.float32), task, size), scores, task["select"])


def boxes_of(offsets: Array, task: Mapping[str, Any], size: Size) -> Array:
    """Decode offsets (A, 4) to anchors into boxes (A, 4) inside an input of this size (SSD, section 2.2)."""
    whole = np.array([size[1], size[0]] * 2, np.float32)
    scale = np.float32(min(size)) / whole[:2]
    levels = []
    for cells, shapes in zip(task["anchors"]["cells"], task["anchors"]["shapes"], strict=True):
        y, x = ((np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count) for count in cells)
        centres = np.stack(np.meshgrid(x, y), 2).reshape(-1, 1, 2)
        half = np.float32(0.5) * (np.array(shapes, np.float32) * scale)
        levels.append(np.concatenate((centres - half, centres + half), 2).reshape(-1, 4))
    anchors = np.concatenate(levels) * whole
    sides, weights = anchors[:, 2:] - anchors[:, :2], np.array(task["weights"], np.float32)
    centres = offsets[:, :2] / weights[:2] * sides + (anchors[:, :2] + np.float32(0.5) * sides)
    half = np.float32(0.5) * (np.exp(np.minimum(offsets[:, 2:] / weights[2:], np.float32(task["largest"]))) * sides)
    return np.clip(np.concatenate((centres - half, centres + half), 1), 0, whole)


def selected(boxes: Array, scores: Array, select: Mapping[str, Any]) -> tuple[Array, Array, Array]:
    """The selected boxes among boxes (A, 4) with scores (A, C): per class the best that do not overlap better ones.

    For equal scores the lower class goes first, then the earlier anchor. A box depends only on better ones: it is
    enough to process the best few, and more only if too few are kept; of a class never more than `per_class`.
    """
    most, above = select["per_class"], scores > select["threshold"]
    if most < len(scores):
        above &= scores >= np.partition(scores, -most, axis=0)[-most]
    candidates = np.flatnonzero(above)
    values = scores.ravel()[candidates]
    few = 2 * select["detections"]
    while True:
        best = values >= (np.partition(values, -few)[-few] if few < len(values) else 0)
        anchors, labels = np.divmod(candidates[best], scores.shape[1])
        order = np.lexsort((anchors, labels, -values[best]))
        anchors, labels = anchors[order], labels[order]
        kept = suppressed(boxes[anchors].astype(np.float64), labels, select)
        if best.all() or len(kept) == select["detections"]:
            return boxes[anchors[kept]], values[best][order][kept], labels[kept]
        few *= 3


def suppressed(boxes: Array, labels: Array, select: Mapping[str, Any]) -> Array:
    """Indices of the boxes (K, 4), best first, to keep: no better kept box of their class overlaps them too much.

    All pairs of a class are compared at once; only those that overlap too much are processed one by one.
    """
    order = np.argsort(labels, kind="stable")
    rank = np.arange(len(order)) - np.searchsorted(labels[order], labels[order])  # within its class
    order, rank = order[rank < select["per_class"]], rank[rank < select["per_class"]]
    worse = np.repeat(np.arange(len(order)), rank)  # each paired with all earlier ones of its class
    better = np.arange(len(worse)) + worse - np.repeat(np.cumsum(rank), rank)
    left, top, right, bottom = boxes[order].T.copy()
    width = np.minimum(right[better], right[worse]) - np.maximum(left[better], left[worse])
    height = np.minimum(bottom[better], bottom[worse]) - np.maximum(top[better], top[worse])
    meet = (width > 0) & (height > 0)
    better, worse, shared = better[meet], worse[meet], (width * height)[meet]
    areas = (right - left) * (bottom - top)
    overlaps = shared / (areas[better] + areas[worse] - shared)
    too_much = overlaps.astype(np.float32) > np.float64(select["overlap"])  # rounded as in training
    stands = np.zeros(len(boxes), bool)
    stands[order] = True
    better, worse = order[better[too_much]], order[worse[too_much]]
    by_better = np.argsort(better, kind="stable")
    first = np.searchsorted(better, np.arange(len(boxes) + 1), sorter=by_better).tolist()
    for one in np.flatnonzero(np.diff(first)).tolist():  # boxes that overlap worse ones, best first
        if stands[one]:
            stands[worse[by_better[first[one] : first[one + 1]]]] = False
    return np.flatnonzero(stands)[: select["detections"]]


def moved(boxes: Array, size: Size, place: Place) -> Array:
    """Boxes (K, 4) of the input in the pixels of a photo of this size, clipped to it."""
    whole = np.array([size[1], size[0]] * 2, np.float32)
    scale = whole / np.array(place[2:] * 2, np.float32)
    return np.clip((boxes - np.array(place[:2] * 2, np.float32)) * scale, 0, whole)


def self_test(folder: Path) -> bool:
    """Whether the file gives the same results on this device as where it was exported; prints every comparison.

    golden/<number>/ holds image.png, input.npy, each output as <name>.npy, and what decode() returned for them: the
    label map as labels.png, the rest as lists in expected.json.
    """
    from PIL import Image

    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    run, tolerance, well = runner(folder, model), TOLERANCE[model["precision"]], True
    cases = sorted((folder / "golden").glob("*/input.npy"))
    if not cases:
        sys.exit(f"{folder / 'golden'}: nothing to try")
    for case in (path.parent for path in cases):
        names = [name for task in model["tasks"].values() for name in task["outputs"].values()]
        needed = ["image.png", "expected.json", *(f"{name}.npy" for name in names if model["outputs"] != "final")]
        if missing := [name for name in needed if not (case / name).is_file()]:
            sys.exit(f"{case / missing[0]} is missing")
        photo = np.asarray(Image.open(case / "image.png").convert("RGB"))
        image, place = prepare(photo, model)
        outputs = {name: got[:1] for name, got in run(image.repeat(model["input"]["batch"] or 1, 0)).items()}
        differences = {"input": (difference(arranged(image, model), np.load(case / "input.npy")), 0.0)}
        if model["outputs"] != "final":  # boxes with nearly equal scores may be reordered there
            for name, got in outputs.items():
                differences[name] = difference(got, np.load(case / f"{name}.npy")), tolerance
        expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
        for task, values in decode(outputs, model, photo.shape[:2], place).items():
            if "boxes" in values:
                differences["lost boxes"] = lost(expected[task], values, tolerance), tolerance
                differences["other boxes"] = lost(values, expected[task], tolerance), tolerance
            elif "labels" in values:
                share = difference(values["labels"], np.asarray(Image.open(case / "labels.png")))
                differences["other labels"] = share, tolerance
            else:
                ((role, got),) = values.items()
                differences["other class"] = float(got.argmax() != np.argmax(expected[task][role])), 0.0
        for what, (value, limit) in differences.items():
            well &= value <= limit
            print(f"{case.name}  {what:16} {value:8.2g}  {'OK' if value <= limit else f'more than {limit:g}'}")
    return well


@functools.cache
def openvino_core() -> Any:
    """One for the process: a Core that is freed while another lives leaves a freed stack to the signal handlers."""
    import openvino

    return openvino.Core()


def runner(folder: Path, model: Mapping[str, Any]) -> Callable[[Array], Found]:
    """A function from images to the file's outputs by name."""
    path = folder / model["file"]
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names, takes = [output.name for output in session.get_outputs()], session.get_inputs()[0].name
        return lambda images: dict(zip(names, session.run(names, {takes: images}), strict=True))
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner()
        (takes,) = signature.get_input_details()
        return lambda images: signature(**{takes: arranged(images, model)})
    if path.suffix == ".param":
        return of_ncnn(path, model)
    if path.suffix == ".xml":
        precision = {"fp16": "f16", "bf16": "bf16"}.get(model["precision"], "f32")
        compiled = openvino_core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": precision})
        names = [name for task in model["tasks"].values() for name in task["outputs"].values()]
        return lambda images: dict(zip(names, compiled([images]).values(), strict=True))
    sys.exit(f"{path.name}: only .onnx, .xml, .tflite and .param can be tried")


def of_ncnn(path: Path, model: Mapping[str, Any]) -> Callable[[Array], Found]:
    """The same for ncnn, which takes an image's pixels as floats and has no batches."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1  # more of them wait by spinning
    if model["precision"] == "fp32":  # ncnn's own choice is 16 bits, where the CPU has them
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        sys.exit(f"{path.name}: ncnn cannot read it")
    names = [name for task in model["tasks"].values() for name in task["outputs"].values()]

    def run(images: Array) -> Found:
        floats = np.ascontiguousarray(images[0], np.float32)  # which Mat only points to
        extractor = net.create_extractor()
        extractor.input("image", ncnn.Mat(floats).clone())
        return {name: np.array(extractor.extract(name)[1])[None] for name in names}

    return run


def difference(got: Array, expected: Array) -> float:
    """The largest difference relative to the largest value; for integers the share that differs."""
    if got.shape != expected.shape:
        return float("inf")
    if np.issubdtype(expected.dtype, np.integer):
        return float((got != expected).mean())
    return float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-9))


def lost(expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float) -> float:
    """The share of confident expected boxes without a box of their class and score within two pixels."""
    (corners, labels, scores), (near, theirs, others) = (
        (np.array(each["boxes"]).reshape(-1, 4), np.array(each["labels"]), np.array(each["scores"]))
        for each in (expected, found)
    )
    same = (np.abs(corners[:, None] - near) <= 2).all(2) & (labels[:, None] == theirs)
    same &= np.abs(scores[:, None] - others) <= tolerance
    sure = scores >= SURE
    return float((~same.any(1))[sure].sum() / max(1, sure.sum()))


if __name__ == "__main__":
    sys.exit(0 if self_test(Path(__file__).parent) else 1)
