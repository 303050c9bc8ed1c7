"""Which kinds of labels a data set reads: `dataset.targets`."""

from collections.abc import Sequence

from tasks.common.errors import UserError

KINDS = ("mask", "boxes", "label", "multilabel")  # that a task may ask for; a data set has some


def check_targets(targets: object, have: str) -> tuple[str, ...]:
    """Kinds of labels that are asked for.

    Args:
        have: those that are proposed, for the message.

    Raises:
        UserError: for anything but a list of kinds.
    """
    if isinstance(targets, str) or not isinstance(targets, Sequence) or not targets or not {*targets} <= {*KINDS}:
        raise UserError(f"dataset.targets={targets} is not a list of some of {have}")
    return tuple(targets)
