"""Weights by name: torchvision's, timm's and files of the Hugging Face Hub; fetched only when asked for by name."""

import hashlib
import os
import re
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import torch
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.file_lock import file_lock
from backbones.logs import errors_only
from backbones.published.shapes import uninitialised
from backbones.published.weights import ROWS
from backbones.safetensors_file import read_safetensors
from backbones.state_dicts import without_counters
from backbones.timm_features import timm_library

TIMM, HUB = "timm:", "hf://"
OFFLINE = ("MOBILEVISION_OFFLINE", "HF_HUB_OFFLINE")  # variables that forbid the network
PATIENCE = 5  # seconds for the first answer of the Hub
ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)/([^@]+?)(?:@([\w./-]+))?")


def offline_reason() -> str:
    """The variable that forbids the network, as NAME=value; '' if it is allowed."""
    for name in OFFLINE:
        if (value := os.environ.get(name, "")).lower() not in ("", "0", "false", "no", "off"):
            return f"{name}={value}"
    return ""


def torchvision_weights(name: str) -> Mapping[str, Tensor]:
    """A published torchvision checkpoint, downloaded with a hash check unless cached.

    Of processes that share the cache, on one machine or on several, one downloads it and the others wait.

    Args:
        name: torchvision's own, such as "MobileNet_V3_Large_Weights.IMAGENET1K_V2".

    Raises:
        ValueError: for a name unknown to torchvision, if the network is forbidden, or if the download fails.
    """
    from torchvision.models import get_weight

    try:
        weights = get_weight(name)
    except (ValueError, AttributeError, KeyError) as error:
        known = [row.source for row in ROWS if not row.of_timm]
        raise ValueError(
            f"weights={name!r} is neither a file nor torchvision weights; known for these backbones: "
            f"{', '.join(known)}; or timm:<network>, hf://<owner>/<name>/<file>; "
            "`python -m backbones --weights` lists them"
        ) from error
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if (why := offline_reason()) and not cached.is_file():
        raise ValueError(f"weights={name} is not at {cached}, and {why} forbids the download")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with nullcontext() if cached.is_file() else file_lock(cached.with_name(f"{cached.name}.lock")):
            state: Mapping[str, Tensor] = weights.get_state_dict(check_hash=True)
    except OSError as error:
        reason = getattr(error, "reason", error)  # of urllib's, whose text has brackets around it
        by_hand = f"fetch {weights.url} elsewhere, then weights=<that file> needs no network"
        raise ValueError(f"cannot download {name}: {reason}; {by_hand}") from error
    return state


def hub_file(source: str) -> Path:
    """A file of the Hugging Face Hub, downloaded unless cached.

    Args:
        source: hf://owner/name/file or hf://owner/name/file@revision.

    Raises:
        ValueError: for another form, if huggingface_hub is missing, if the network is forbidden and the file not
            cached, if the download fails, or if its bytes are not those that the Hub announced.
    """
    parts = ADDRESS.fullmatch(source)
    if parts is None or ".." in parts[2].split("/"):
        raise ValueError(f"weights={source} is not hf://<owner>/<name>/<file> or hf://<owner>/<name>/<file>@<revision>")
    return downloaded(parts[1], parts[2], parts[3], f"weights={source}")


def downloaded(repository: str, file: str, revision: str | None, what: str) -> Path:
    """A repository's file in the cache, downloaded if it is not there.

    Args:
        revision: branch, tag or commit; None for the main branch.
        what: names the weights in messages: "weights=…".

    Raises:
        ValueError: as hub_file, but for its form.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise ValueError(f'{what} needs: pip install "mobilevision[hub]"') from None
    why = offline_reason()
    unreachable = "" if why else unreachable_hub()
    try:
        with errors_only("huggingface_hub"):  # of its retries: what becomes of them is an error of ours
            path = Path(hf_hub_download(repository, file, revision=revision, local_files_only=bool(why or unreachable)))
    except Exception as error:  # huggingface_hub's, its HTTP client's and the system's have nothing in common
        if why:
            raise ValueError(
                f"{what} is not in the cache of the Hugging Face Hub, and {why} forbids the download"
            ) from None
        by_hand = f"fetch {file} of {repository} elsewhere, then weights=<that file> needs no network"
        if unreachable:
            raise ValueError(f"{what}: the Hugging Face Hub cannot be reached ({unreachable}); {by_hand}") from None
        text = (str(error).splitlines() or [""])[0]
        raise ValueError(
            f"cannot download {file} of {repository}: {type(error).__name__}: {text}; or {by_hand}"
        ) from error
    announced = path.resolve().name  # the cache names large files by their SHA-256
    if re.fullmatch("[0-9a-f]{64}", announced) and hashlib.sha256(path.read_bytes()).hexdigest() != announced:
        raise ValueError(f"{what}: {path} is damaged: its sha256 is not {announced}; delete it to download it again")
    return path


def unreachable_hub() -> str:
    """Why nothing answers at the Hub's address, with proxies and HF_ENDPOINT as set; '' if something does.

    Its own library tries six times in half a minute, and prints each.
    """
    from huggingface_hub.constants import ENDPOINT

    try:
        urllib.request.urlopen(urllib.request.Request(ENDPOINT, method="HEAD"), timeout=PATIENCE).close()
    except HTTPError:  # an answer
        return ""
    except URLError as error:
        certificates = isinstance(error.reason, ssl.SSLError)  # the library has its own
        return "" if certificates else getattr(error.reason, "strerror", None) or str(error.reason)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def timm_weights(name: str, backbone: Backbone) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights of a timm network, with or without the tag of the training: mobilenetv2_100.ra_in1k.

    Args:
        backbone: that they are for, whose normalisation is compared.

    Returns:
        The tensors in the order of timm's network, and how it differs from the backbone, see differences().

    Raises:
        ValueError: if timm is missing, has no such weights or has a network with other tensors, and as downloaded().
    """
    timm = timm_library()
    architecture = name.partition(".")[0]
    known = timm.list_pretrained(f"{architecture}.*") if timm.is_model(architecture) else []
    if (name not in known and name != architecture) or not known:
        raise ValueError(
            f"weights={TIMM}{name}: timm has no such weights"
            + (
                f" of {architecture}, only {', '.join(known)}"
                if known
                else "; `python -m backbones --weights` lists some"
            )
        )
    described = timm.get_pretrained_cfg(name)
    if not described.hf_hub_id:
        raise ValueError(
            f"weights={TIMM}{name}: timm keeps these outside the Hugging Face Hub; download them as a file"
        )
    file = described.hf_hub_filename or "model.safetensors"
    state, _ = read_safetensors(downloaded(described.hf_hub_id, file, None, f"weights={TIMM}{name}"))
    with torch.device("meta"), uninitialised():
        network = timm.create_model(architecture, num_classes=described.num_classes)
    order = [key for key in network.state_dict() if key in state]
    theirs, ours = without_counters(state), without_counters(network.state_dict())
    if unlike := [key for key in theirs if key not in ours] + [key for key in ours if key not in theirs]:
        raise ValueError(
            f"weights={TIMM}{name}: {unlike[0]} is only in {'its file' if unlike[0] in theirs else 'the network'}, not "
            f"in {'the network' if unlike[0] in theirs else 'its file'} of timm {timm.__version__} "
            f"({len(unlike)} such tensors)"
        )
    return {key: state[key] for key in order}, differences(network, described, backbone)


def differences(network: nn.Module, described: Any, backbone: Backbone) -> tuple[str, ...]:
    """What lets scores differ although all tensors fit: BatchNorm's eps, the images' normalisation, padding."""
    notes = []
    theirs, ours = ({m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)} for net in (network, backbone))
    if theirs != ours and len(theirs) == 1:
        notes.append(f"made with BatchNorm's eps {theirs.pop():g}, here {min(ours, default=0):g} (backbone.norm_eps)")
    mean, std = (255 * torch.tensor(values).view(3, 1, 1) for values in (described.mean, described.std))
    if not (torch.allclose(mean, backbone.mean.cpu(), atol=0.1) and torch.allclose(std, backbone.std.cpu(), atol=0.1)):
        notes.append(f"made for images normalised by mean {described.mean}, std {described.std}, here by others")
    if any("Same" in type(module).__name__ for module in network.modules()):
        notes.append("made with TensorFlow's padding, here it is symmetrical")
    return tuple(notes)
