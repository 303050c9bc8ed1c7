"""An exported file in its runtime, timed as in mode=predict: without PyTorch, unless the runtime is PyTorch's."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.common.labels import Pixels
from tasks.common.output import output_of
from tasks.deploy.bench.stages import Stages
from tasks.deploy.decode import decode, prepare
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.runners.runner import Arrays, Images


class Seen(NamedTuple):
    """The input image (1, 3, H, W); the position of the photo in it; the photo's (height, width)."""

    images: Images
    place: tuple[int, int, int, int]
    size: tuple[int, int]


class FileStages(Stages):
    """A file next to its model.json.

    Args:
        path: the file.
        threads: per image.
        size: height and width that the photo is resized to; None for the file's own rule.

    Raises:
        UserError: for a file that cannot be opened or takes several images at once.
    """

    def __init__(self, path: Path, threads: int, size: list[int] | None) -> None:
        self.manifest = read_manifest(path)
        takes = self.manifest["input"]
        if takes["batch"] not in (None, 1):
            raise UserError(f"model={path} takes {takes['batch']} images at once; what is measured is one")
        fixed = takes["height"] is not None and takes["width"] is not None
        if size is None and takes["resize"]["rule"] == "none" and fixed:
            size = [takes["height"], takes["width"]]  # photos must be resized to it anyway: timed
        if size is not None:
            takes["resize"] = {"rule": "stretch", "height": size[0], "width": size[1]}
        self.outputs = {name: output_of(name, entry) for name, entry in self.manifest["tasks"].items()}
        self.runner = open_runner(path, self.manifest, threads)
        runtime = FORMATS[self.manifest["runtime"]].module.partition(".")[0]
        self.runtime, self.precision = f"{runtime} {version(runtime)}", self.manifest["precision"]

    def prepare(self, photo: Pixels) -> Seen:
        images, place = prepare(photo, self.manifest)
        return Seen(images, place, photo.shape[:2])

    def network(self, prepared: Seen) -> Arrays:
        return self.runner.run(prepared.images)

    def finish(self, outputs: Arrays, prepared: Seen) -> dict[str, Any]:
        found = decode(outputs, self.manifest, prepared.size, prepared.place)
        return {name: self.outputs[name].gist(values) for name, values in found.items()}

    def seen(self, prepared: Seen) -> tuple[int, int]:
        height, width = prepared.images.shape[-2:]
        return height, width
