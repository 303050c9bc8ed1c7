"""int8 for OpenVINO: NNCF quantises the whole core, then layers that should stay in float are restored."""

import contextlib
import io
import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.layer_graph import Graph, Node, Operator
from tasks.deploy.quantise.quantiser import PROBES, Floats, Images, Limit, Part, Quantised, Quantiser, Seen, in_batches
from tasks.deploy.runtimes import needed, openvino_core, readable

OPERATORS: dict[str, Operator] = {
    "Parameter": "input",
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "MatMul": "gemm",
    "Add": "add",
    "Multiply": "mul",
    "ReduceMean": "pool",
    "AvgPool": "pool",
    "AdaptiveAvgPool": "pool",
}
INT8 = ("i8", "u8")  # the CPU plugin's names of the int8 execution types
CONVERSIONS = ("FakeQuantize", "Convert", "Reorder")  # and of its operators
ENDS = ("Input", "Output")
KERNELS = "cpu:brgconv_avx512_1x1,cpu:brgconv_avx512"  # preferred to brgconv_avx512_amx


class OpenVinoQuantiser(Quantiser):
    """int8 weights per output channel, activations symmetric around zero; ranges by NNCF's defaults.

    NNCF's bias correction is left out: it gained nothing here (CamVid 0.613 with it, 0.615 without; BCCD 0.585 and
    0.587) and assumes that all layers of a network are int8.
    """

    def __init__(self, source: Path, batches: Sequence[Images]) -> None:
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # NNCF imports it needlessly
        with needed("openvino", "precision=int8"):
            import nncf
            import openvino
        nncf.set_log_level(logging.ERROR)
        self.nncf, self.openvino = nncf, openvino
        self.source = source
        with readable(source):
            self.model = openvino_core().read_model(source)
        self.weights = {
            operator.get_friendly_name(): operator.input_value(1)
            for operator in self.model.get_ops()
            if OPERATORS.get(operator.get_type_name()) in ("conv", "gemm") and not without_weights(operator)
        }
        self.graph = Graph(nodes_of(self.model))
        self.layers = self.graph.layers()
        batch = self.model.inputs[0].get_partial_shape()[0]
        self.images = in_batches(batches, batch.get_length() if batch.is_static else 1)
        self.first = self.images[0]
        self.int8 = self.collect()
        for operator in self.int8.get_ops():
            if operator.get_type_name() == "FakeQuantize":
                limits = [operator.input_value(limit).get_node().data for limit in (1, 2)]
                self.refuse_unless(bool(np.isfinite(limits).all()), operator.get_friendly_name())

    def collect(self) -> Any:
        """The model with the whole core in int8."""
        outside = [name for name in self.graph.nodes if name not in set(self.graph.core)]
        with contextlib.redirect_stdout(io.StringIO()):  # hides progress bars
            return self.nncf.quantize(
                self.model.clone(),
                self.nncf.Dataset(self.images),
                preset=self.nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(self.images),
                ignored_scope=self.nncf.IgnoredScope(names=outside, validate=False),
                advanced_parameters=self.nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
            )

    def seen(self) -> dict[str, Seen]:
        model = self.model.clone()
        outputs = {operator.get_friendly_name(): operator for operator in model.get_ops()}
        names = {
            name: outputs[source]
            for name, source in ((each.get_friendly_name(), source_of(each)) for each in self.roundings())
            if source in outputs
        }
        compiled = self.compiled(
            self.openvino.Model([each.output(0) for each in names.values()], model.get_parameters())
        )
        values = list(compiled(self.images[0]).to_tuple())
        return {
            name: Seen(float(each.min()), float(each.max()), float(each.mean()))
            for name, each in zip(names, values, strict=True)
        }

    def set_range(self, name: str, low: Limit, high: Limit) -> None:
        (rounding,) = [each for each in self.roundings() if each.get_friendly_name() == name]
        for entry, limit in zip(rounding.inputs()[1:], (low, high, low, high), strict=True):
            shape = list(entry.get_source_output().get_shape())
            given = np.asarray(limit, np.float32)
            values = np.array(np.broadcast_to(given.reshape(1, -1, 1, 1) if given.ndim else given, shape))
            entry.replace_source_output(self.openvino.opset1.constant(values).output(0))

    def roundings(self) -> list[Any]:
        """The operators of the int8 model that round activations."""
        return [
            each
            for each in self.int8.get_ops()
            if each.get_type_name() == "FakeQuantize"
            and each.input_value(0).get_node().get_type_name() not in ("Constant", "Convert")
        ]

    def write(self, target: Path, keep: Collection[str] = ()) -> Quantised:
        self.check_known(keep)
        self.openvino.save_model(self.quantised(keep), target, compress_to_fp16=False)
        prefer_vnni(target)
        return self.executed(target)

    def last_outputs(self, keep: Collection[str]) -> list[Floats]:
        model = self.quantised(keep)
        ends = [operator.output(0) for operator in model.get_ops() if operator.get_friendly_name() in self.graph.last]
        ends.sort(key=lambda end: end.get_node().get_friendly_name())
        compiled = self.compiled(self.openvino.Model(ends, model.get_parameters()))
        runs = [list(compiled(images).values()) for images in self.images[:PROBES]]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]

    def quantised(self, keep: Collection[str]) -> Any:
        """The int8 model, with the layers of these names restored to float inputs and weights."""
        model = self.int8.clone()
        for operator in model.get_ops():
            name = operator.get_friendly_name()
            if name not in keep:
                continue
            for entry in operator.inputs():
                reads = entry.get_source_output().get_node()
                if reads.get_type_name() == "FakeQuantize":
                    entry.replace_source_output(reads.input_value(0))
            if name in self.weights:
                operator.input(1).replace_source_output(self.weights[name])
        return model

    def compiled(self, model: Any) -> Any:
        """Compile a model or its file for one thread, with float32 for everything that is not int8."""
        return openvino_core().compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        )

    def executed(self, path: Path) -> Quantised:
        """What the compiled model actually runs; it may have fused several operators of the file into one."""
        found: list[tuple[Part, str]] = []
        computed: set[str] = set()  # not of constants, as reshaped weights are
        for operator in self.compiled(path).get_runtime_model().get_ordered_ops():
            kind, precision = (operator.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision"))
            sources = {value.get_node().get_friendly_name() for value in operator.input_values()}
            if kind == "Input" or sources & computed:
                computed.add(operator.get_friendly_name())
            if kind not in ENDS and sources & computed:
                int8 = precision in INT8
                found.append(("conversions" if kind in CONVERSIONS else "int8" if int8 else "floats", kind))
        return Quantised.of(found)


def source_of(rounding: Any) -> str:
    """The name of the operator whose result is rounded."""
    return str(rounding.input_value(0).get_node().get_friendly_name())


def prefer_vnni(path: Path) -> None:
    """Ask the CPU plugin, in the file, for its AVX-512 kernels without AMX wherever it has both.

    AMX multiplies tiles of 16 × 64 bytes. The layers of a MobileNet are smaller for a single image, so that V3-Small,
    V3-Large and their heads take 1.2 times as long with it. Processors that have neither are not affected.
    """
    tree = ElementTree.parse(path)
    for layer in tree.iter("layer"):
        if layer.get("type") == "Convolution":
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(1 if layer.find("data") is None else 1 + [*layer].index(layer.find("data")), info)
            ElementTree.SubElement(info, "attribute", name="primitives_priority", version="0", value=KERNELS)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def nodes_of(model: Any) -> list[Node]:
    """An OpenVINO model's operators; results are merged into the operators they return."""
    outputs: dict[str, tuple[str, ...]] = {}
    for output in model.outputs:
        name = output.get_node().input_value(0).get_node().get_friendly_name()
        outputs[name] = (*outputs.get(name, ()), output.get_any_name())
    return [
        Node(
            operator.get_friendly_name(),
            "other" if without_weights(operator) else OPERATORS.get(operator.get_type_name(), "other"),
            tuple(value.get_node().get_friendly_name() for value in operator.input_values()),
            operator.get_type_name() == "GroupConvolution",
            outputs.get(operator.get_friendly_name(), ()),
        )
        for operator in model.get_ordered_ops()
        if operator.get_type_name() != "Result"
    ]


def without_weights(operator: Any) -> bool:
    """Whether a product multiplies two computed tensors, as in suppression: not a layer of the network."""
    if operator.get_type_name() != "MatMul":
        return False
    weights = operator.input_value(1).get_node()
    while weights.get_type_name() in ("Convert", "Reshape", "Transpose"):  # weights stored in another type or shape
        weights = weights.input_value(0).get_node()
    return bool(weights.get_type_name() != "Constant")
