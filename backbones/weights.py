"""Loads third-party checkpoints into a backbone: matched by name or position, with every kind and shape checked."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from backbones.base import Backbone
from backbones.sources import HUB, TIMM, hub_file, timm_weights, torchvision_weights
from backbones.state_dicts import AVERAGED, in_order, kind, plain_state, without_counters
from backbones.timm_features import TimmFeatures
from backbones.torch_file import check_sound, read_checkpoint
from backbones.weight_files import SUFFIX, WEIGHTS, published_file


class Loaded(NamedTuple):
    """What became of a checkpoint's tensors.

    Attributes:
        source: the weights' name or file, and the averaged state dict in it that was taken.
        matched: names of the backbone's tensors that were loaded, in order.
        not_needed: the file's tensors of layers that the backbone has dropped, by name and in order.
        rest: those after them, such as a head's.
        notes: differences that shapes do not show (eps, normalisation, padding).
    """

    source: str
    matched: list[str]
    not_needed: dict[str, Tensor]
    rest: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def load_layers(backbone: nn.Module, state: Mapping[str, Tensor], source: str) -> Loaded:
    """Copy the tensors of a network into a backbone with the same layers.

    The backbone's n-th tensor takes the checkpoint's n-th: both list them from the image on. If the checkpoint has all
    names of the backbone, they decide instead. BatchNorm's counters stay as they are if the checkpoint has none.

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
    for tensor, (_, their_tensor) in zip(ours.values(), theirs, strict=False):
        tensor.copy_(their_tensor)
    rest = theirs[len(ours) :]
    count = leading(backbone.dropped if isinstance(backbone, Backbone) else (), [name for name, _ in rest])
    return Loaded(source, list(ours), dict(rest[:count]), dict(rest[count:]))


def leading(dropped: Sequence[str], names: Sequence[str]) -> int:
    """Number of the first names in a file that are of dropped layers: those of the same kinds, one by one."""
    if without_counters(names) == list(names):
        dropped = without_counters(dropped)
    pairs = zip(map(kind, dropped), map(kind, names), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def paired(
    backbone: nn.Module, state: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[tuple[str, Tensor]]]:
    """The backbone's tensors, and the checkpoint's with their names, of which the first ones fit them one by one.

    Raises:
        ValueError: at the first tensor whose kind or shape differs.
    """
    ours = backbone.state_dict()
    if ours.keys() <= state.keys():
        theirs = [*((name, state[name]) for name in ours), *((k, v) for k, v in state.items() if k not in ours)]
    else:
        theirs = list(state.items())
    if without_counters(state) == list(state):
        ours = {name: ours[name] for name in without_counters(ours)}
    if len(theirs) < len(ours):
        raise ValueError(f"{source} has {len(theirs)} tensors, the backbone {len(ours)}: not the same network")
    for (name, tensor), (their_name, their_tensor) in zip(ours.items(), theirs, strict=False):
        if kind(name) != kind(their_name) or tensor.shape != their_tensor.shape:
            raise ValueError(
                f"{source}: {their_name} {tuple(their_tensor.shape)} does not fit {name} {tuple(tensor.shape)}; "
                "width, width_rule, tail and the network itself must be those of the checkpoint"
            )
    return ours, theirs


def load_weights(backbone: Backbone, source: str) -> Loaded:
    """Initialise a backbone from weights by name or a file.

    Args:
        source: torchvision's name of the weights; timm:<network>; hf://<owner>/<name>/<file>; a file of state dicts
            (.pth, .pt, .safetensors), a checkpoint of ours, or a folder of tasks.publish.

    Raises:
        ValueError: as load_layers, read_checkpoint, plain_state, and the functions of backbones/sources.py.
    """
    if source.startswith(TIMM):
        of_timm, notes = timm_weights(source.removeprefix(TIMM), backbone)
        check_sound(of_timm, source)
        return load_layers(backbone, of_timm, source)._replace(notes=notes)
    path = hub_file(source) if source.startswith(HUB) else published_file(Path(source))
    if path.suffix not in WEIGHTS and not path.exists():
        return load_layers(backbone, torchvision_weights(source), source)
    state, wrapper = plain_state(read_checkpoint(path), source)
    check_sound(state, source)
    if any(name.startswith("tasks.") for name in state):  # ours; its heads may be of another task
        state = {name.removeprefix("backbone."): each for name, each in state.items() if name.startswith("backbone.")}
    elif path.suffix == SUFFIX and not backbone.state_dict().keys() <= state.keys():
        state = in_order(state, source, backbone.name if isinstance(backbone, TimmFeatures) else "")
    return load_layers(backbone, state, f"{source} ({wrapper})" if wrapper in AVERAGED else source)


def load_head(head: nn.Module, rest: Mapping[str, Tensor]) -> tuple[list[str], dict[str, Tensor]]:
    """Load the tensors after the backbone (Loaded.rest) into a head, if its layers match.

    Last layers (`classify…`) with another number of classes are left unchanged; if anything else differs, the whole
    head is.

    Returns:
        Names of the head's tensors that were loaded, and the file's tensors that were not taken.
    """
    ours, theirs = head.state_dict(), list(rest.values())
    same = [a.shape == b.shape for a, b in zip(ours.values(), theirs, strict=False)]
    if len(ours) != len(theirs) or not all(
        fits or ".classify" in f".{name}" for name, fits in zip(ours, same, strict=True)
    ):
        return [], dict(rest)
    for fits, tensor, their_tensor in zip(same, ours.values(), theirs, strict=True):
        if fits:
            tensor.copy_(their_tensor)
    left = {name: tensor for (name, tensor), fits in zip(rest.items(), same, strict=True) if not fits}
    return [name for name, fits in zip(ours, same, strict=True) if fits], left
