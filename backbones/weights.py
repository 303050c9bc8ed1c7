"""Loads third-party checkpoints into a backbone: matched by position, with every name and shape checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from backbones.base import Backbone
from backbones.sources import HUB, TIMM, hub_file, timm_weights, torchvision_weights
from backbones.state_dicts import AVERAGED, in_order, plain_state
from backbones.timm_features import TimmFeatures
from backbones.torch_file import check_sound, read_checkpoint
from backbones.weight_files import SUFFIX, WEIGHTS, published_file

COUNTER = "num_batches_tracked"


class Loaded(NamedTuple):
    """Result of loading a checkpoint.

    Attributes:
        taken: number of tensors used.
        rest: the unused tensors, by name and in order.
        notes: how the network differs from that of the weights in what tensors do not say.
    """

    source: str
    taken: int
    rest: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """Names of the unused tensors."""
        return tuple(self.rest)

    def __str__(self) -> str:
        names = f", left out {len(self.left)} ({self.left[0]} … {self.left[-1]})" if self.left else ""
        return "; ".join([f"{self.source}: {self.taken} tensors loaded{names}", *self.notes])


def load_by_position(backbone: Backbone, state: Mapping[str, Tensor], source: str) -> Loaded:
    """Copy the tensors of a network into a backbone with the same layers.

    The backbone's n-th tensor takes the checkpoint's n-th: both list them from the image on. If the checkpoint has all
    names of the backbone, they decide instead. Tensors after the backbone's last layer (dropped layers, the classifier)
    are left out and reported. BatchNorm's counters stay 0 if the checkpoint has none.

    Raises:
        ValueError: at the first tensor whose kind or shape differs, with both names and shapes, and the network of ours
            that the checkpoint fits, if there is one.
    """
    try:
        ours, theirs = paired(backbone, state, source)
    except ValueError as error:
        from backbones.published.fitting import network_of  # builds networks

        fits = network_of(state)
        raise ValueError(f"{error}; these weights fit {fits}" if fits else str(error)) from None
    for tensor, (_, their_tensor) in zip(ours, theirs, strict=False):
        tensor.copy_(their_tensor)
    return Loaded(source, len(ours), dict(theirs[len(ours) :]))


def paired(
    backbone: Backbone, state: Mapping[str, Tensor], source: str
) -> tuple[list[Tensor], list[tuple[str, Tensor]]]:
    """The backbone's tensors, and the checkpoint's with their names, of which the first ones fit them one by one.

    Raises:
        ValueError: at the first tensor whose kind or shape differs.
    """
    ours = backbone.state_dict()
    if ours.keys() <= state.keys():
        theirs = [*((name, state[name]) for name in ours), *((k, v) for k, v in state.items() if k not in ours)]
    else:
        theirs = list(state.items())
    if not any(kind(name) == COUNTER for name in state):
        ours = {name: tensor for name, tensor in ours.items() if kind(name) != COUNTER}
    if len(theirs) < len(ours):
        raise ValueError(f"{source} has {len(theirs)} tensors, the backbone {len(ours)}: not the same network")
    for (name, tensor), (their_name, their_tensor) in zip(ours.items(), theirs, strict=False):
        if kind(name) != kind(their_name) or tensor.shape != their_tensor.shape:
            raise ValueError(
                f"{source}: {their_name} {tuple(their_tensor.shape)} does not fit {name} {tuple(tensor.shape)}; "
                "width, width_rule, tail and the network itself must be those of the checkpoint"
            )
    return [*ours.values()], theirs


def kind(name: str) -> str:
    """The last part of a tensor's name: weight, bias, running_mean, …"""
    return name.rpartition(".")[2]


def load_weights(backbone: Backbone, source: str) -> Loaded:
    """Initialise a backbone from weights by name or a file.

    Args:
        source: torchvision's name of the weights; timm:<network>; hf://<owner>/<name>/<file>; a file of state dicts
            (.pth, .pt, .safetensors), a checkpoint of ours, or a folder of tasks.publish.

    Raises:
        ValueError: as load_by_position, read_checkpoint, plain_state, and the functions of backbones/sources.py.
    """
    if source.startswith(TIMM):
        fetched = timm_weights(source.removeprefix(TIMM), backbone)
        check_sound(fetched.state, source)
        return load_by_position(backbone, fetched.state, source)._replace(notes=fetched.notes)
    path = hub_file(source) if source.startswith(HUB) else published_file(Path(source))
    if path.suffix not in WEIGHTS and not path.exists():
        return load_by_position(backbone, torchvision_weights(source), source)
    state, wrapper = plain_state(read_checkpoint(path), source)
    check_sound(state, source)
    if any(name.startswith("tasks.") for name in state):  # ours; its heads may be of another task
        state = {name.removeprefix("backbone."): each for name, each in state.items() if name.startswith("backbone.")}
    elif path.suffix == SUFFIX and not backbone.state_dict().keys() <= state.keys():
        state = in_order(state, source, backbone.name if isinstance(backbone, TimmFeatures) else "")
    return load_by_position(backbone, state, f"{source} ({wrapper})" if wrapper in AVERAGED else source)


def load_head(head: nn.Module, loaded: Loaded) -> tuple[Loaded, list[str]]:
    """Load the tensors after the backbone into a head, if its layers match.

    Last layers (`classify…`) with another number of classes are left unchanged; if anything else differs, the whole
    head is.

    Returns:
        What is loaded in total, and the names of the head's tensors left unchanged.
    """
    ours, theirs = head.state_dict(), list(loaded.rest.values())
    same = [a.shape == b.shape for a, b in zip(ours.values(), theirs, strict=False)]
    if len(ours) != len(theirs) or not all(
        fits or ".classify" in f".{name}" for name, fits in zip(ours, same, strict=True)
    ):
        return loaded, list(ours)
    for fits, tensor, their_tensor in zip(same, ours.values(), theirs, strict=True):
        if fits:
            tensor.copy_(their_tensor)
    left = {name: tensor for (name, tensor), fits in zip(loaded.rest.items(), same, strict=True) if not fits}
    new = [name for name, fits in zip(ours, same, strict=True) if not fits]
    return Loaded(loaded.source, loaded.taken + sum(same), left, loaded.notes), new
