"""A checkpoint as the file that its export would be, without parity check, and what rewrites change in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.reading import forget
from tasks.common.delegates import FORMAT_OF
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.deploy.network import Traced, arranged, trace
from tasks.deploy.rewrite_table import REWRITES, rewrites_for
from tasks.deploy.writers.by_format import WRITERS
from tasks.engine.trained import load_trained
from tasks.lint.arguments import Request
from tasks.lint.proof import Proof


def written(request: Request, folder: Path) -> tuple[Path, list[Proof]]:
    """Write the file of a checkpoint to a folder; returns its path and the rewrites that the target asks for.

    Raises:
        UserError: for a checkpoint that cannot be read or exported, and if its images have no fixed size.
    """
    assert request.checkpoint is not None
    learner, config = load_trained(read_ours(request.checkpoint), request.checkpoint)
    forget()
    size = request.size or size_in(config)
    for _, task in learner.each_task():
        task.prepare_export()
    names = rewrites_for(request.target)
    runtime = FORMAT_OF[request.target]
    layout = FORMATS[runtime].layouts[0]
    plain = trace(learner, batch=1, size=size, form=request.outputs, layout=layout)
    other = trace(learner, batch=1, size=size, form=request.outputs, layout=layout, rewrites=names) if names else plain
    differs = difference(plain, other, size) if any(other.rewritten.values()) else 0.0
    proofs = [
        Proof(name, REWRITES[name].what, other.rewritten[name], differs) for name in names if other.rewritten[name]
    ]
    path = folder / f"model{FORMATS[runtime].suffix}"
    WRITERS[runtime](other if request.rewrite else plain, path, {"input": {"layout": layout}}, "fp32")
    return path, proofs


def size_in(config: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) of a checkpoint's images; raises a UserError if they have no fixed size."""
    fit = config["data"]["fit"] or {}
    size = fit.get("size")
    if isinstance(size, int):
        return size, size
    if not size:
        raise UserError("size=[height,width] is needed: the checkpoint takes images of any size")
    return int(size[0]), int(size[1])


def difference(plain: Traced, other: Traced, size: tuple[int, int]) -> float:
    """The largest difference of two graphs' outputs for noise, relative to each output's largest value."""
    noise = torch.randint(256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image = arranged(noise, plain.layout)
    with torch.no_grad():
        pairs = list(zip(*(each.program.module(check_guards=False)(image) for each in (plain, other)), strict=True))
    return max(
        float((one.float() - two.float()).abs().max() / one.float().abs().max().clamp(min=1e-12)) for one, two in pairs
    )
