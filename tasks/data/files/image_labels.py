"""Labels of whole images, as samples answer for them."""

import numpy as np
from numpy.typing import NDArray


class ImageLabels:
    """Samples that may have image labels.

    Attributes:
        labels: (N,) class numbers; None for none.
        multilabel: (N, C) uint8, 1 where an image has a class; None for none.
    """

    labels: NDArray[np.int64] | None
    multilabel: NDArray[np.uint8] | None

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        assert self.labels is not None
        return self.labels

    def label_matrix(self) -> NDArray[np.uint8]:
        """(N, C) 1 where an image has a class."""
        assert self.multilabel is not None
        return self.multilabel
