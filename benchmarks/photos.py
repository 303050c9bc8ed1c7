"""Photos for the benchmarks that read files: those of a folder, or generated ones."""

from pathlib import Path

from PIL import Image

from tasks.data.files.images import find_images
from tasks.data.streets.picture import draw
from tasks.data.streets.write import KINDS

HEIGHT, WIDTH, QUALITY = 375, 500, 90  # as ImageNet's typical photo
GENERATED = 40


def jpegs(folder: Path | None, count: int, generated: Path) -> list[Path]:
    """At most `count` JPEG files, evenly from all of a folder; without one, street scenes written to `generated`."""
    if folder is not None:
        found = [file for file in find_images(folder) if file.suffix.lower() in (".jpg", ".jpeg")]
        return found[:: max(1, len(found) // count)][:count]
    paths = [generated / f"{number}.jpg" for number in range(min(count, GENERATED))]
    for number, path in enumerate(paths):
        scene = draw(KINDS[number % len(KINDS)], seed=(number,), height=HEIGHT, width=WIDTH)
        Image.fromarray(scene.image).save(path, quality=QUALITY)
    return paths
