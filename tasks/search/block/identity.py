"""Identity of a study: everything that affects a candidate's score. A study resumes only with the same identity."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backbones.table import table_of
from tasks.common.errors import UserError
from tasks.config.overrides import leaves
from tasks.config.rules.learning import DECAY
from tasks.config.tree import resolved, select
from tasks.data.loading.splits import Splits
from tasks.search.networks import Networks

FORMAT = 3  # version of the identity; a study with an older one cannot be compared
SCORING = (
    *("target", "head", "task", "optimizer", "scheduler", "seed", "targets", "channels_last", "white"),
    *("trainer.gradient_clip_val", "trainer.gradient_clip_algorithm", "trainer.precision"),
    *("trainer.accumulate_grad_batches", "data", "backbone.frozen"),
)
NO_MATTER = (  # may differ when a study resumes
    *("search.trials", "search.study", "search.workers", "search.widths", "search.weights"),
    *("data.workers", "data.start_method", "data.cache", "data.cache_folder", "data.cache_gb", "data.eval_batch_size"),
    "data.decode",  # not where networks are trained briefly
)
LOOKED_AT = 32  # images whose labels and sizes are compared; names are compared for all
CHUNK = 1 << 20


def identity(splits: Splits, networks: Networks) -> dict[str, Any]:
    """A study's identity by dotted keys, the same on every machine: files by content, not by path."""
    whole = resolved(networks.run.stored, networks.run.output_dir)
    said: dict[str, Any] = {"format": FORMAT, "network": table_of(networks.seed_plan), **networks.resolution}
    said["image size"] = list(networks.size)
    for key in ("search", *SCORING):
        said.update(leaves(select(whole, key), key))
    for kind, rule in DECAY.items():  # studies of before lack the key
        if said.get(key := f"optimizer.decay.{kind}") is rule:
            del said[key]
    if said.get("data.cache_side") is None:
        said.pop("data.cache_side", None)
    if whole["target"]["latency"] is not None:
        said.update({f"latency.{key}": whole["latency"][key] for key in ("runtime", "threads", "precision")})
        if whole["latency"].get("device") is not None:  # studies of before lack the key
            said["latency.device"] = digest(str(whole["latency"]["device"]))
    said |= {"data set": contents(splits.train), "classes": {kind: list(all) for kind, all in splits.classes.items()}}
    return {key: value for key, value in (said | teacher(whole["distill"])).items() if key not in NO_MATTER}


def teacher(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Part of the identity about the teacher; without a teacher, its other settings are left out."""
    if settings["teacher"] is None:
        return {"distill.teacher": None}
    files: Mapping[str, Any] = {key: digest(settings[key]) for key in ("teacher", "weights")}
    return {f"distill.{key}": value for key, value in {**settings, **files}.items()}


def digest(value: str | None) -> str | None:
    """SHA-256 of a file; any other value, such as a network's name, is returned unchanged."""
    if value is None or not Path(value).is_file():
        return value
    found = hashlib.sha256()
    with Path(value).open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return f"sha256 {found.hexdigest()[:16]}"


def contents(samples: Any) -> str:
    """Number of images in a data set, and a hash of all names and of the sizes and labels of some evenly spread ones.

    Pixels are not hashed, since decoders differ between machines.
    """
    found = hashlib.sha256(json.dumps([samples.name(index) for index in range(len(samples))]).encode())
    for index in np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).round().astype(int)).tolist():
        try:
            arrays = samples.read(index)
        except UserError:  # data.max_broken may allow this
            arrays = {}
        for key in sorted(arrays):
            array = np.ascontiguousarray(arrays[key])
            found.update(f"{key} {array.shape}".encode())
            if key != "image":
                found.update(array.tobytes())
    return f"{len(samples)} images, {found.hexdigest()[:16]}"
