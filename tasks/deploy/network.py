"""The network as exported: uint8 images in, named tensors out, normalisation included."""

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from tasks.common.errors import UserError
from tasks.deploy.fold import fold
from tasks.deploy.rewrites import rewrite
from tasks.engine.learner import Learner


class Exported(nn.Module):
    """A learner's network in exportable form: returns a tuple of tensors, in the order of `names`.

    Args:
        learner: all its heads go into the file.
        size: (height, width) of the images; None for any size.
        form: of the outputs, see Task.tensors.
        dtype: of the network's computation; normalisation and outputs are float32.
        layout: of the images; NHWC needs a size.

    Attributes:
        names: of the outputs in the file, by task and role; prefixed with the task if there are several.
    """

    def __init__(
        self, learner: Learner, size: tuple[int, int] | None, form: str, dtype: torch.dtype, layout: str
    ) -> None:
        super().__init__()
        # A copy without channels-last strides, which a file cannot store.
        self.learner = in_float(learner).cpu().eval().to(dtype).to(memory_format=torch.contiguous_format)
        self.learner.backbone.mean, self.learner.backbone.std = (
            value.detach().cpu().float() for value in (learner.backbone.mean, learner.backbone.std)
        )
        for _, task in self.learner.each_task():
            task.prepare_export()
        self.size, self.form, self.dtype, self.layout = size, form, dtype, layout
        self.names: dict[str, dict[str, str]] = {}
        if layout == "NHWC":  # whole rows: kernels are slow where only three values repeat
            assert size is not None, "rows have one length"
            backbone = self.learner.backbone
            self.means, self.stds = (value.flatten().repeat(size[1]) for value in (backbone.mean, backbone.std))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run on (N, 3, H, W) uint8 RGB, or (N, H, W, 3) if that is the layout."""
        backbone, several = self.learner.backbone, len(self.learner.tasks) > 1
        if self.layout == "NHWC":
            rows = (image.flatten(2).float() - self.means) / self.stds  # (N, H, 3 × W)
            normalised = rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2).to(self.dtype)
        else:
            normalised = ((image.float() - backbone.mean) / backbone.std).to(self.dtype)
        height, width = normalised.shape[-2:]
        outputs, found = self.learner(normalised), []
        for name, task in self.learner.each_task():
            tensors = task.tensors(as_float(outputs[name]), self.size or (height, width), self.form)
            self.names[name] = names_of(name, tensors, several)
            found += list(tensors.values())
        return tuple(found)


def in_float(learner: Learner) -> Learner:
    """A copy that does not round: int8 files have their own rounding."""
    learner = copy.deepcopy(learner)
    learner.rounding = None
    return learner


def names_of(task: str, roles: Iterable[str], several: bool) -> dict[str, str]:
    """Names of a task's outputs in a file by role; the task is in them if the file has several."""
    return {role: f"{task}_{role}" if several else role for role in roles}


def as_float(outputs: Any) -> Any:
    """Raw outputs in float32: a tensor, or a named tuple that contains some."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return outputs._replace(**{k: v.float() for k, v in outputs._asdict().items() if isinstance(v, Tensor)})


class Traced(NamedTuple):
    """A network as a graph.

    Attributes:
        program: its only argument is called `image`.
        names: of its outputs, by task and role.
        shape: of its input; None for dynamic sides.
        unfolded: number of normalisations that remain, because no layer with weights precedes them.
        layout: of its input: shape is (N, 3, H, W), or (N, H, W, 3) for NHWC.
        rewritten: how many operators each rewrite replaced.
    """

    program: ExportedProgram
    names: dict[str, dict[str, str]]
    shape: tuple[int | None, ...]
    unfolded: int
    layout: str = "NCHW"
    rewritten: Mapping[str, int] = MappingProxyType({})

    @property
    def planes(self) -> tuple[int | None, ...]:
        """The shape of its input as (N, 3, H, W), whatever its layout."""
        return tuple(self.shape[self.layout.index(side)] for side in "NCHW")

    @property
    def outputs(self) -> list[str]:
        """Output names in the order of the program's outputs."""
        return [name for roles in self.names.values() for name in roles.values()]


def trace(
    learner: Learner,
    *,
    batch: int | None,
    size: tuple[int, int],
    any_size: bool = False,
    form: str = "raw",
    dtype: torch.dtype = torch.float32,
    layout: str = "NCHW",
    rewrites: Sequence[str] = (),
) -> Traced:
    """Export a learner's network to a folded graph of ATen operators.

    Args:
        batch: number of images; None for any number.
        size: (height, width) of the images.
        any_size: whether `size` is only an example.
        layout: of the images, NCHW or NHWC, which needs one size.
        rewrites: to apply, by name, see tasks/deploy/rewrites.py.

    Raises:
        UserError: if the network cannot support the requested dynamic sizes.
    """
    module = Exported(learner, None if any_size else size, form, dtype, layout)
    example = arranged(torch.zeros(batch or 2, 3, *size, dtype=torch.uint8), layout)
    with torch.no_grad():
        module(example)  # fills in the names
    free = [batch is None, any_size, any_size]
    free.insert(layout.index("C"), False)
    shapes = ({side: Dim.DYNAMIC if open_ else Dim.STATIC for side, open_ in enumerate(free)},) if any(free) else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            graph = torch.export.export(module, (example,), dynamic_shapes=shapes).module(check_guards=False)
            unfolded = fold(graph)
            rewritten = rewrite(graph, rewrites)
            program = torch.export.export(graph, (example,), dynamic_shapes=shapes)
        except Exception as error:  # torch.export reports unsupported code with many exception types
            raise UserError(reason(error, batch, any_size)) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # contains file names of this machine
    if any_size and not alike(module, program, len(example), (size[0] * 3 // 4, size[1] * 2)):
        raise UserError("export.size=dynamic: this network needs one size: at another the graph gives something else")
    shape = tuple(None if open_ else side for open_, side in zip(free, example.shape, strict=True))
    return Traced(program, module.names, shape, unfolded, layout, rewritten)


def arranged(images: Tensor, layout: str) -> Tensor:
    """Images (N, 3, H, W) in a layout."""
    return images.permute(0, 2, 3, 1).contiguous() if layout == "NHWC" else images


@torch.no_grad()
def alike(module: Exported, program: ExportedProgram, count: int, size: tuple[int, int]) -> bool:
    """Whether a graph matches its network for `count` images of another (height, width)."""
    images = arranged(torch.randint(256, (count, 3, *size), dtype=torch.uint8), module.layout)
    try:
        got = program.module(check_guards=False)(images)
    except RuntimeError:
        return False
    pairs = list(zip(module(images), got, strict=True))
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return False
    share = 1e-3 if module.dtype == torch.float32 else 0.1
    return all(bool(((ours - theirs).abs() <= share * ours.abs().max()).all()) for ours, theirs in pairs)


def reason(error: Exception, batch: int | None, any_size: bool) -> str:
    """Why the export failed, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = " ".join(lines[:1])[:240] or type(error).__name__
    if any_size:
        return f"export.size=dynamic: this network needs one size, export.size=[height,width] ({told})"
    if batch is None:
        return f"export.batch=dynamic: this network needs a fixed batch size ({told})"
    return f"this network cannot be exported: {told}"
