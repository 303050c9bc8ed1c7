"""Loads third-party checkpoints into a backbone: matched by position, with every name and shape checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from backbones.base import Backbone
from backbones.torch_file import check_sound, read_checkpoint


class Loaded(NamedTuple):
    """Result of loading a checkpoint: number of tensors used, and the unused ones, by name and in order."""

    source: str
    taken: int
    rest: dict[str, Tensor]

    @property
    def left(self) -> tuple[str, ...]:
        """Names of the unused tensors."""
        return tuple(self.rest)

    def __str__(self) -> str:
        names = f", left out {len(self.left)} ({self.left[0]} … {self.left[-1]})" if self.left else ""
        return f"{self.source}: {self.taken} tensors loaded{names}"


def torchvision_weights(name: str) -> Mapping[str, Tensor]:
    """A published torchvision checkpoint, downloaded with a hash check unless cached.

    Args:
        name: torchvision's own, such as "MobileNet_V3_Large_Weights.IMAGENET1K_V2".

    Raises:
        ValueError: for a name unknown to torchvision, or if the download fails.
    """
    from torchvision.models import get_weight

    try:
        weights = get_weight(name)
    except (ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            f"weights={name!r} is neither a file nor torchvision weights; known for these backbones: "
            + ", ".join(
                f"{model}_Weights.{version}"
                for model, versions in (
                    ("MobileNet_V2", ("IMAGENET1K_V1", "IMAGENET1K_V2")),
                    ("MobileNet_V3_Large", ("IMAGENET1K_V1", "IMAGENET1K_V2")),
                    ("MobileNet_V3_Small", ("IMAGENET1K_V1",)),
                    ("MNASNet1_0", ("IMAGENET1K_V1",)),
                    ("ResNet50", ("IMAGENET1K_V1", "IMAGENET1K_V2")),
                    ("ResNet101", ("IMAGENET1K_V1", "IMAGENET1K_V2")),
                    ("SSDLite320_MobileNet_V3_Large", ("COCO_V1",)),
                )
                for version in versions
            )
        ) from error
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(check_hash=True)
    except OSError as error:
        raise ValueError(f"cannot download {name}: {error}; weights=<file.pth> takes a file") from error
    return state


def load_by_position(backbone: Backbone, state: Mapping[str, Tensor], source: str) -> Loaded:
    """Copy the tensors of a torchvision network into a backbone with the same layers.

    The backbone's n-th tensor takes the checkpoint's n-th: both list them from the image on. Tensors after the
    backbone's last layer (dropped layers, the classifier) are left out and reported.

    Raises:
        ValueError: at the first tensor whose kind or shape differs, with both names and shapes.
    """
    ours, theirs = backbone.state_dict(), list(state.items())
    if len(theirs) < len(ours):
        raise ValueError(f"{source} has {len(theirs)} tensors, the backbone {len(ours)}: not the same network")
    for (name, tensor), (their_name, their_tensor) in zip(ours.items(), theirs, strict=False):
        kind, their_kind = name.rpartition(".")[2], their_name.rpartition(".")[2]
        if kind != their_kind or tensor.shape != their_tensor.shape:
            raise ValueError(
                f"{source}: {their_name} {tuple(their_tensor.shape)} does not fit {name} {tuple(tensor.shape)}; "
                "width, width_rule, tail and the network itself must be those of the checkpoint"
            )
        tensor.copy_(their_tensor)
    return Loaded(source, len(ours), dict(theirs[len(ours) :]))


def load_weights(backbone: Backbone, source: str) -> Loaded:
    """Initialise a backbone from torchvision's weights by name, a file of torchvision's layout, or our checkpoint.

    Raises:
        ValueError: as the three functions above.
    """
    if Path(source).suffix not in (".pth", ".pt", ".ckpt") and not Path(source).exists():
        return load_by_position(backbone, torchvision_weights(source), source)
    checkpoint = read_checkpoint(source)
    state = checkpoint.get("state_dict", checkpoint.get("model", checkpoint))
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{source} holds no tensors by name: it is no state dict")
    state = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    check_sound(state, source)
    if any(name.startswith("tasks.") for name in state):  # ours; its heads may be of another task
        state = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    return load_by_position(backbone, state, source)


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
    return Loaded(loaded.source, loaded.taken + sum(same), left), new
