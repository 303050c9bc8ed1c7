"""State dicts as other programs save them: wrapped, prefixed, averaged, sorted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from backbones.published.shapes import uninitialised
from backbones.published.weights import ROWS
from backbones.timm_features import timm_library

AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")  # published scores are of these
WRAPPERS = (*AVERAGED, "state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights")
PREFIXES = ("module.", "_orig_mod.")  # DataParallel and AveragedModel; torch.compile
COUNTERS = ("num_batches_tracked", "n_averaged")
TORCHVISION = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet1_0", "resnet50", "resnet101",
               "ssdlite320_mobilenet_v3_large")  # fmt: skip


def plain_state(checkpoint: Mapping[str, Any], source: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a checkpoint by their names in the network.

    Of several state dicts (timm, torchvision's references) the averaged one is taken.

    Returns:
        The tensors, and the key that they were wrapped in, or ''.

    Raises:
        ValueError: if there are none.
    """
    wrapper, node = "", dict(checkpoint)
    while key := next((key for key in WRAPPERS if isinstance(node.get(key), Mapping) and has_tensors(node[key])), ""):
        wrapper, node = key, node[key]
    state = {str(name): value for name, value in node.items() if isinstance(value, Tensor)}
    state.pop("n_averaged", None)
    if not state:
        raise ValueError(f"{source} holds no tensors by name: it is no state dict")
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), ""):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
        state.pop("n_averaged", None)
    return state, wrapper


def has_tensors(node: Mapping[str, Any]) -> bool:
    """Whether a dict, or one in it, holds tensors."""
    return any(
        isinstance(value, Tensor) or (isinstance(value, Mapping) and has_tensors(value)) for value in node.values()
    )


def kind(name: str) -> str:
    """The last part of a tensor's name: weight, bias, running_mean, …"""
    return name.rpartition(".")[2]


def without_counters(names: Iterable[str]) -> list[str]:
    """Names without those of BatchNorm's counters, which not every program saves."""
    return [name for name in names if kind(name) not in COUNTERS]


def in_order(state: Mapping[str, Tensor], source: str, of_timm: str = "") -> dict[str, Tensor]:
    """The tensors of a file that sorts them, in the order of the network that has these names.

    Args:
        of_timm: a network of timm's that is looked at first.

    Raises:
        ValueError: for names of no network known here.
    """
    for names in orders(of_timm):
        if set(without_counters(state)) <= set(names):
            return {name: state[name] for name in names if name in state}
    where, timms = "torchvision or timm known here", ", or name it as weights=timm:<network>"
    if not has_timm():
        where, timms = "torchvision known here", '; names of timm\'s need: pip install "mobilevision[timm]"'
    raise ValueError(
        f"{source} sorts its tensors ({next(iter(state))} …), and no network of {where} has these names: save it as "
        f".pth, in the network's order{timms}"
    )


def orders(of_timm: str) -> Iterator[list[str]]:
    """Yield the names of the tensors of networks that our backbones have the layers of, in their order."""
    import torchvision

    if of_timm:
        yield names_of(lambda: timm_library().create_model(of_timm))
    for name in TORCHVISION:
        options = {"weights_backbone": None} if name.startswith("ssdlite") else {}
        library = torchvision.models.detection if options else torchvision.models
        yield names_of(lambda: getattr(library, name)(weights=None, **options))  # noqa: B023  (called at once)
    if not has_timm():
        return
    timm = timm_library()
    first = {row.backbone: row.source for row in reversed(ROWS) if row.of_timm}  # of several widths one will do
    for name in (source.removeprefix("timm:").partition(".")[0] for source in first.values()):
        yield names_of(lambda: timm.create_model(name))  # noqa: B023  (called at once)


def has_timm() -> bool:
    """Whether timm is installed."""
    try:
        timm_library()
    except ValueError:
        return False
    return True


def names_of(build: Callable[[], nn.Module]) -> list[str]:
    """The names of a network's tensors, in order."""
    with torch.device("meta"), uninitialised():
        return list(build().state_dict())
