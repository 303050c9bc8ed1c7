"""ncnn files: .param and .bin."""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from tasks.checkpoint.embedded import MARK
from tasks.common.errors import UserError
from tasks.deploy.fold import ATEN, attribute
from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed
from tasks.deploy.writers.silence import silence_logging


def write_ncnn(traced: Traced, path: Path, manifest: Mapping[str, Any], precision: str) -> list[str]:
    """Write a .param file and its .bin; for fp16 with weights of 16 bits.

    pnnx, a program, reads the network from a file and writes seven others beside it: in a temporary folder.

    Raises:
        UserError: if the extra is not installed, and for operators that ncnn does not have.
    """
    with needed("ncnn", "export.format=ncnn"), silence_logging():
        import ncnn
        import pnnx
    network = Planes(traced)
    example = torch.zeros([side or 1 for side in traced.shape])
    with tempfile.TemporaryDirectory() as folder:
        source, text, weights = (Path(folder) / name for name in ("network.pt", "model.param", "model.bin"))
        with silence_logging():  # torch.jit warns that it will not be developed further; pnnx reads nothing else
            torch.jit.trace(network, example, check_trace=False).save(str(source))
        command = [pnnx.EXEC_PATH, source, f"inputshape=[{','.join(map(str, example.shape))}]f32"]
        command += [f"ncnnparam={text}", f"ncnnbin={weights}", f"fp16={int(precision == 'fp16')}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode or not (text.is_file() and weights.is_file()):
            said = (done.stderr.strip() or f"it ended with status {done.returncode}").splitlines()[-1]
            raise UserError(f"export.format=ncnn: pnnx cannot convert this network: {said[:200]}")
        lines = text.read_text(encoding="utf-8").splitlines()
        unknown = sorted({line.split()[0] for line in lines[2:] if ncnn.layer_to_index(line.split()[0]) < 0})
        if unknown:
            raise UserError(f"export.format=ncnn: ncnn has no operator {', '.join(unknown)}, which this network needs")
        inside = f"{MARK}{json.dumps(manifest)}"
        path.write_text("\n".join([*named(lines, traced.outputs), inside]) + "\n", encoding="utf-8")
        path.with_suffix(".bin").write_bytes(weights.read_bytes())
    return [path.name, path.with_suffix(".bin").name]


class Planes(nn.Module):
    """A traced network that takes its planes of bytes as floats, for ncnn has no integers."""

    def __init__(self, traced: Traced) -> None:
        super().__init__()
        self.network: fx.GraphModule = in_floats(traced.program.module(check_guards=False))
        self.training = False  # the graph has no other mode, and no eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The outputs for images (1, 3, H, W)."""
        return tuple(self.network(image))


def in_floats(graph: fx.GraphModule) -> fx.GraphModule:
    """Remove a graph's casts to float32 and its checks of types; normalise in one step."""
    for node in list(graph.graph.nodes):
        if node.target is ATEN.to.dtype and node.args[1] is torch.float32:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target is ATEN._assert_tensor_metadata.default:
            graph.graph.erase_node(node)
    for node in list(graph.graph.nodes):
        if node.target is ATEN.div.Tensor and isinstance(less := node.args[0], fx.Node):
            normalise_at_once(graph, less, node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def normalise_at_once(graph: fx.GraphModule, less: fx.Node, node: fx.Node) -> None:
    """Make (image - mean) / std one operator, as ncnn has one for statistics of channels."""
    if less.target is not ATEN.sub.Tensor or not isinstance(less.args[0], fx.Node) or less.args[0].op != "placeholder":
        return
    mean, std = attribute(graph, less.args[1]), attribute(graph, node.args[1])
    if mean is None or std is None:
        return
    with graph.graph.inserting_before(node):
        for name, tensor in (("pixel_mean", mean), ("pixel_variance", std.double() ** 2)):
            graph.register_buffer(name, tensor.detach().flatten().float())
        statistics = [graph.graph.get_attr(name) for name in ("pixel_mean", "pixel_variance")]
        arguments = (less.args[0], None, None, *statistics, False, 0.0, 0.0, False)
        node.replace_all_uses_with(graph.graph.call_function(ATEN.batch_norm.default, arguments))


def named(lines: Iterable[str], outputs: Sequence[str]) -> list[str]:
    """A .param file's lines with our names of input and outputs, which pnnx numbers: in0, out0, out1, ….

    Each layer's line has its kind, its name, how many tensors it takes and gives, their names, and its settings.

    Raises:
        UserError: if an output is missing.
    """
    names = {"in0": "image", **{f"out{number}": name for number, name in enumerate(outputs)}}
    magic, counts, *layers = lines
    written, seen = [magic, counts], set[str]()
    for line in layers:
        words = line.split()
        last = 4 + int(words[2]) + int(words[3])
        seen.update(words[4:last])
        written.append(" ".join([*words[:4], *(names.get(word, word) for word in words[4:last]), *words[last:]]))
    if missing := [names[name] for name in names if name not in seen]:
        raise UserError(f"export.format=ncnn: pnnx lost {missing[0]}, which this network has")
    return written
