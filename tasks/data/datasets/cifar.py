"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), read from the official archives or their unpacked folders."""

import pickle
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError, not_one_of
from tasks.common.labels import Pixels
from tasks.data.files.files import View
from tasks.data.files.unpickle import load
from tasks.data.files.walk import found_in

SIDE = 32
PIXELS = 3 * SIDE * SIDE
LARGEST = 1_000_000_000  # bytes, unpacked; five times the real ones
# fmt: off
CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
        "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
        "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
        "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
        "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
        "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
        "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
        "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
        "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
        "willow_tree", "wolf", "woman", "worm",
    ),
}
# fmt: on


class Release(NamedTuple):
    """One published form of a set: a folder, or the archive of that folder."""

    folder: str
    archive: str
    train: tuple[str, ...]
    test: tuple[str, ...]


BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
RELEASES = {
    "cifar10": (
        Release("cifar-10-batches-py", "cifar-10-python.tar.gz", BATCHES, ("test_batch",)),
        Release(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            tuple(f"{batch}.bin" for batch in BATCHES),
            ("test_batch.bin",),
        ),
    ),
    "cifar100": (
        Release("cifar-100-python", "cifar-100-python.tar.gz", ("train",), ("test",)),
        Release("cifar-100-binary", "cifar-100-binary.tar.gz", ("train.bin",), ("test.bin",)),
    ),
}


class LabelledArrays:
    """Images of one size in memory, each with one class.

    Args:
        name: of the split.
        images: (N, H, W, 3) RGB.
        labels: (N,) the classes' numbers.
    """

    def __init__(self, name: str, images: Pixels, labels: NDArray[np.int64]) -> None:
        self.split, self.images, self.labels = name, images, labels

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        return self.labels

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """The split and the index in it."""
        return f"{self.split}_{index:05d}"

    def size(self, index: int) -> tuple[int, int]:
        """(height, width), the same for all images."""
        height, width = self.images[index].shape[:2]
        return height, width

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB and `label` () int64; a view gets the pixels."""
        image = self.images[index].copy()
        return {"image": image if view is None else view(image), "label": np.asarray(self.labels[index])}

    def check(self) -> Iterator[None]:
        """Nothing to check: all images were checked when read."""
        yield from [None] * len(self)


class CIFAR:
    """50,000 training and 10,000 test images, 32×32; CIFAR-100 has its fine labels.

    Args:
        root: the folder with an archive (`cifar-10-python.tar.gz`, `cifar-10-binary.tar.gz`, …), which is read in
            place, or with its unpacked folder.
        name: which of the two sets.
    """

    def __init__(self, root: str | Path, *, name: Literal["cifar10", "cifar100"] = "cifar10") -> None:
        if name not in RELEASES:
            raise UserError(f"dataset.name={name} {not_one_of(name, RELEASES)}")
        self.root, self.name = Path(root), name

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes."""
        return {"label": CLASSES[self.name]}

    def train(self) -> LabelledArrays:
        """The training images."""
        return self.split("train")

    def val(self) -> LabelledArrays:
        """The test images, which are scored."""
        return self.split("test")

    def split(self, split: Literal["train", "test"]) -> LabelledArrays:
        """All images of a split.

        Raises:
            UserError: if archive and folder are missing, or damaged.
        """
        place, release = self.find()
        names = release.train if split == "train" else release.test
        files = from_archive(place, names) if place.is_file() else from_folder(place, names)
        images, labels = [], []
        for name, content in files.items():
            try:
                pixels, numbers = self.parse(content, binary=name.endswith(".bin"))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, pickle.UnpicklingError) as error:
                raise UserError(f"{place}: {name} is damaged ({error}); download it again") from error
            images.append(pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
            labels.append(numbers)
        return LabelledArrays(split, np.ascontiguousarray(np.concatenate(images)), np.concatenate(labels))

    def find(self) -> tuple[Path, Release]:
        """The first existing folder, or else archive."""
        for kind in ("folder", "archive"):
            for release in RELEASES[self.name]:
                place = self.root / getattr(release, kind)
                if place.exists():
                    return place, release
        raise UserError(f"no data set at {self.root}: no archive of {self.name}\n{self.layout()}")

    def parse(self, content: bytes, *, binary: bool) -> tuple[Pixels, NDArray[np.int64]]:
        """Pixels (N, 3072) and labels (N,) of one file.

        Raises:
            ValueError, …: if it is not such a file.
        """
        if binary:  # rows of a label, or a coarse and a fine one, and the pixels
            columns = PIXELS + (2 if self.name == "cifar100" else 1)
            rows = np.frombuffer(content, np.uint8).reshape(-1, columns)
            pixels, numbers = rows[:, -PIXELS:], rows[:, -PIXELS - 1].astype(np.int64)
        else:
            batch = load(content)
            pixels = batch[b"data"]
            numbers = np.asarray(batch[b"fine_labels" if self.name == "cifar100" else b"labels"], np.int64)
        if pixels.dtype != np.uint8 or pixels.shape != (len(numbers), PIXELS):
            raise ValueError(f"{len(numbers)} labels for pixels of {pixels.dtype}, {pixels.shape}")
        if len(numbers) == 0 or not 0 <= numbers.min() <= numbers.max() < len(CLASSES[self.name]):
            raise ValueError("labels out of range" if len(numbers) else "empty")
        return pixels, numbers

    def layout(self) -> str:
        """The expected files and what was found."""
        places = "".join(f"  {self.root}/{r.archive} or {self.root}/{r.folder}/\n" for r in RELEASES[self.name])
        folders = "; dataset=folders reads train/<class>/ and val/<class>/" if (self.root / "train").is_dir() else ""
        return (
            f"expected one of:\n{places}found: {found_in(self.root)}{folders}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )


def from_folder(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Contents of the named files.

    Raises:
        UserError: for a missing file.
    """
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; unpack the archive again")
    return {name: (folder / name).read_bytes() for name in names}


def from_archive(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Contents of the named files, in that order, reading no further than the last of them.

    Raises:
        UserError: for a missing file, or a truncated archive.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                name = Path(member.name).name
                if member.size > LARGEST or tar.offset > LARGEST:
                    raise tarfile.TarError(f"it holds more than {LARGEST:,} bytes")
                file = tar.extractfile(member) if name in names else None
                if file is not None:
                    contents[name] = file.read()
                if len(contents) == len(names):
                    break
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{archive} is truncated or damaged ({error}); download it again") from error
    for name in names:
        if name not in contents:
            raise UserError(f"{archive} holds no {name}; download it again")
    return {name: contents[name] for name in names}
