"""Shards of litdata and of webdataset: written, read in order and at random; the trial that chose between them.

    python -m benchmarks.shard_formats [--images 50000] [--folder /tmp]

Needs both packages. The same JPEG files of 96 × 96, drawn a few hundred times over, go into shards of 32 MB with their
class. Nothing is decoded: only storage is compared. At random, litdata reads by `StreamingDataset[index]`; webdataset
itself cannot, so that its tar files are read as tasks/data/packed does, by the places of their members. All sides run
in one process, in turn.
"""

import argparse
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from backbones.options import Parser
from benchmarks.arguments import existing
from benchmarks.timing import alternate, report
from tasks.data.streets.picture import draw
from tasks.data.streets.write import KINDS

DISTINCT, SIDE, SHARD = 200, 96, 32 << 20


def pictures() -> list[bytes]:
    """JPEG files as bytes: crops of a few generated scenes."""
    import io

    scenes = [draw(KINDS[number % len(KINDS)], seed=(number,), height=256, width=512).image for number in range(8)]
    generator, made = np.random.default_rng(0), []
    for number in range(DISTINCT):
        top, left = int(generator.integers(256 - SIDE)), int(generator.integers(512 - SIDE))
        file = io.BytesIO()
        Image.fromarray(scenes[number % len(scenes)][top : top + SIDE, left : left + SIDE]).save(file, "JPEG")
        made.append(file.getvalue())
    return made


def write_litdata(folder: Path, files: list[bytes], images: int) -> None:
    from litdata.streaming.cache import Cache

    cache = Cache(str(folder), chunk_bytes=SHARD)
    for number in range(images):
        cache[number] = {"jpg": files[number % len(files)], "cls": number % 1000}
    cache.done()
    cache.merge()


def write_webdataset(folder: Path, files: list[bytes], images: int) -> None:
    from webdataset import ShardWriter

    folder.mkdir()
    with ShardWriter(f"{folder}/%06d.tar", maxsize=SHARD, maxcount=10**9, verbose=0, encoder=False, mtime=0) as writer:
        for number in range(images):
            writer.write(
                {
                    "__key__": f"{number:09d}",
                    "jpg": files[number % len(files)],
                    "cls": str(number % 1000).encode(),
                }
            )


def places(folder: Path) -> list[tuple[Path, int, int]]:
    """File, offset and size of every picture of the tar files."""
    found = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as shard:
            found += [(path, each.offset_data, each.size) for each in shard if each.name.endswith(".jpg")]
    return found


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--folder", type=existing, help="where shards are written, and deleted afterwards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        measure(Path(made), options.images)


def measure(folder: Path, images: int) -> None:
    """Write both kinds of shards and print the time of each way to read them."""
    import webdataset
    from litdata import StreamingDataset

    files = pictures()
    writers: dict[str, Callable[[Path, list[bytes], int], None]] = {
        "litdata": write_litdata,
        "webdataset": write_webdataset,
    }
    for name, write in writers.items():
        begin = time.perf_counter()
        write(folder / name, files, images)
        size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        print(
            f"{name}: {images:,} images written in {time.perf_counter() - begin:.1f} s, {size / 1e6:.0f} MB", flush=True
        )

    begin = time.perf_counter()
    index = places(folder / "webdataset")
    print(f"webdataset: places of {len(index):,} members found in {time.perf_counter() - begin:.1f} s", flush=True)
    handles = {path: path.open("rb", buffering=0) for path in {path for path, _, _ in index}}
    order = np.random.default_rng(0).permutation(images)[:5000].tolist()
    # A set at a path of its own: litdata keeps what it knows of a folder beside the user's files otherwise.
    lit = StreamingDataset(str(folder / "litdata"), shuffle=False)
    tars = [str(path) for path in sorted((folder / "webdataset").glob("*.tar"))]

    def in_order_litdata() -> int:
        return sum(len(sample["jpg"]) for sample in lit)

    def in_order_webdataset() -> int:
        return sum(len(sample["jpg"]) for sample in webdataset.WebDataset(tars, shardshuffle=False))

    def read(place: int) -> bytes:
        path, offset, size = index[place]
        file = handles[path]
        file.seek(offset)
        return file.read(size)

    def in_order_places() -> int:
        return sum(len(read(place)) for place in range(images))

    assert in_order_litdata() == in_order_webdataset() == in_order_places()
    sides = {
        "tar files by place": in_order_places,
        "litdata": in_order_litdata,
        "webdataset": in_order_webdataset,
    }
    medians = alternate(sides, 3, 0)
    report(f"in order; images/s {', '.join(f'{name} {images / s:,.0f}' for name, s in medians.items())}", medians)
    at_random = {
        "tar files by place": lambda: sum(len(read(place)) for place in order),
        "litdata": lambda: sum(len(lit[place]["jpg"]) for place in order),
    }
    medians = alternate(at_random, 3, 1)
    report(f"at random; images/s {', '.join(f'{name} {len(order) / s:,.0f}' for name, s in medians.items())}", medians)
    for file in handles.values():
        file.close()
    shutil.rmtree(folder / "litdata", ignore_errors=True)


if __name__ == "__main__":
    main()
