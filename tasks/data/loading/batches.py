"""Samples to batches, in the worker processes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.files import View
from tasks.data.files.samples import Arrays, Samples
from tasks.data.loading.mixture import MixedSamples, as_mixture
from tasks.data.transforms.letterbox import placed, stretching

Batch = dict[str, Any]


def collate(samples: Sequence[Arrays], names: Sequence[str]) -> Batch:
    """Stack arrays of equal shape into one batch: `image` (N, 3, H, W) with channels last in memory, the rest as is.

    Raises:
        UserError: for images of different sizes.
    """
    sizes = sorted({sample["image"].shape[:2] for sample in samples})
    if len(sizes) > 1:
        some = " and ".join(f"{height}×{width}" for height, width in sizes[:2])
        raise UserError(
            f"images of {some} (height×width) make no batch: a transform of data.augment (when scored: data.fit) must "
            "make them equal"
        )
    batch: Batch = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in samples[0]}
    batch["image"] = batch["image"].permute(0, 3, 1, 2)
    batch["name"] = list(names)
    return batch


def repeated(batch: Batch, number: int) -> Batch:
    """A training batch of one data set with its images repeated, or cut, to this number."""
    rows = [index % len(batch["image"]) for index in range(number)]
    made: Batch = {
        key: value[rows] if isinstance(value, Tensor) else [value[row] for row in rows]
        for key, value in batch.items()
        if key != "broken"
    }
    made["image"] = made["image"].contiguous(memory_format=torch.channels_last)
    return made


class EvalDataset(Dataset[Batch]):
    """Evaluation batches: a list of indices in, a batch out; each image unchanged, or resized by `fit`.

    Boxes and masks are in file pixels, whatever the images' size. Samples with boxes give `annotations`, a list, and
    `places`: where each file's image lies in the batch's image, (N, 4) float32 x, y, width, height, and the files'
    sizes, (N, 2) float32 height, width. Samples with masks also give `places` if the images are fitted; their files
    must be of one size. A batch of a mixture holds one data set only, given by `counts` and `rows` as in training.

    An empty list of indices gives an empty dict.
    """

    def __init__(self, samples: Samples, fit: View | None = None) -> None:
        self.samples, self.fit = as_mixture(samples), fit

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        if not indices:
            return {}
        read = self.samples.read if self.fit is None else partial(self.samples.read, view=self.fit)
        arrays = [read(index) for index in indices]
        without = [{key: array for key, array in sample.items() if key != "bboxes"} for sample in arrays]
        batch = collate(without, [self.samples.name(index) for index in indices]) | {"index": list(indices)}
        if "mask" in batch and self.fit is not None:
            stretching(self.fit)
            batch["places"] = self.places([sample["mask"].shape for sample in arrays])
        if "bboxes" in arrays[0]:  # scored as in their file, not as repaired for training
            batch["annotations"] = [self.samples.annotations(index) for index in indices]
            batch["places"] = self.places([(truth.height, truth.width) for truth in batch["annotations"]])
        return batch | of_one_set(self.samples, indices) if self.samples.names else batch

    def places(self, sizes: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """Position of files of these sizes in the images of a batch, and the sizes: see heads.boxes.Places."""
        places = [(0, 0, w, h) if self.fit is None else placed(self.fit).place(h, w) for h, w in sizes]
        return torch.tensor(places).float(), torch.tensor(sizes).float()


def of_one_set(samples: MixedSamples, indices: Sequence[int]) -> Batch:
    """`counts` and `rows` of a batch whose samples all belong to one set of a mixture."""
    number, _ = samples.place(indices[0])
    counts = tuple(len(indices) if place == number else 0 for place in range(len(samples.parts)))
    return {"counts": counts, "rows": {kind: torch.arange(len(indices)) for kind in samples.parts[number].kinds}}


class InMemory:
    """Samples decoded once and kept in memory; workers forked later share them.

    Read errors are raised on access.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

        def read(index: int) -> Arrays | UserError:
            try:
                return samples.read(index)
            except UserError as error:
                return error

        with thread_pool() as pool:
            self.arrays = list(pool.map(read, range(len(samples))))

    def __len__(self) -> int:
        return len(self.arrays)

    def name(self, index: int) -> str:
        return self.samples.name(index)

    def size(self, index: int) -> tuple[int, int]:
        height, width = self.read(index)["image"].shape[:2]
        return height, width

    def read(self, index: int, view: View | None = None) -> Arrays:
        arrays = self.arrays[index]
        if isinstance(arrays, UserError):
            raise arrays
        return arrays if view is None else arrays | {"image": view(arrays["image"])}

    def annotations(self, index: int) -> Annotations:
        return self.samples.annotations(index)

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        labels: NDArray[np.int64] = self.samples.class_labels()  # type: ignore[attr-defined]  # samples with classes
        return labels

    def label_matrix(self) -> NDArray[np.uint8]:
        """(N, C) 1 where an image has a class."""
        labels: NDArray[np.uint8] = self.samples.label_matrix()  # type: ignore[attr-defined]  # samples with classes
        return labels
