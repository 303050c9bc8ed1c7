"""Training images held out from training: the same ones in every run, whatever its seed."""

import hashlib
from collections.abc import Callable
from typing import Any

from tasks.common.errors import UserError
from tasks.data.loading.mixture import MixedSamples, as_mixture
from tasks.data.loading.subset import Subset


def hold_out(samples: Any, share: float, key: str = "data.holdout") -> tuple[Any, Any, dict[str, Any]]:
    """Split samples into those that are kept and those that are held out; of a mixture, each data set by itself.

    Held out are the images whose names have the smallest SHA-256. So the split depends on neither the run's seed nor
    the order of the files, and every run on these images draws the same one.

    Args:
        share: of the images of each data set.
        key: of the configuration that has the share, for messages.

    Returns:
        The kept samples in order, the held-out ones in random order, and the split's record: see record_of.

    Raises:
        UserError: if a data set would have no image on one of the sides.
    """

    def kept(part: Any) -> Subset:
        return Subset(part, sorted(drawn(part)[1]))

    def held(part: Any) -> Subset:
        return Subset(part, drawn(part)[0])

    def drawn(part: Any) -> tuple[list[int], list[int]]:
        order = sorted(range(len(part)), key=lambda index: hashlib.sha256(part.name(index).encode()).digest())
        count = round(share * len(order))
        if not 0 < count < len(order):
            sides = f"{count} of {len(order)} images out, {len(order) - count} to keep"
            raise UserError(f"{key}={share:g} holds {sides}: take another share")
        return order[:count], order[count:]

    out = of_each(samples, held)
    return of_each(samples, kept), out, record_of(samples, share, len(out))


def of_each(samples: Any, change: Callable[[Any], Subset]) -> Any:
    """Samples with `change` applied to those of each data set."""
    return samples.kept(change) if isinstance(samples, MixedSamples) else change(samples)


def record_of(samples: Any, share: float, held: int) -> dict[str, Any]:
    """What a checkpoint says about its split: the share, numbers of images, and a hash of all names.

    Together with the rule of hold_out this determines the split, and shows whether the images are still the same.
    """
    whole = as_mixture(samples)
    names = sorted(whole.name(index) for index in range(len(whole)))
    found = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {"share": float(share), "images": len(names), "held": held, "names": found}
