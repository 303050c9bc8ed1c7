"""An exported file that tells bright images from dark ones."""

import onnx
from onnx import TensorProto, helper

from tasks.checkpoint.manifest import write_manifest
from tasks.data.transforms.resize import ResizeCentreCrop
from tests.described import embed
from tests.tasks.deploy.decoder_inputs import takes


def write_folder(folder):
    """An export's folder: two classes by an image's brightness, resized to 8×8."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["bright"]),
        helper.make_node("Sub", ["half", "bright"], ["dark"]),
        helper.make_node("Concat", ["bright", "dark"], ["logits"], axis=1),
    ]
    constants = [
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
        helper.make_tensor("half", TensorProto.FLOAT, [1], [128.0]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [None, 3, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph(nodes, "brightness", [image], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    description = takes(ResizeCentreCrop([8, 8], None).rule(), 8, 8)
    description["input"] |= {"batch": None, "upright": False}
    description["tasks"] = {"classify": {"outputs": {"logits": "logits"}, "classes": ["bright", "dark"]}}
    description |= {"format": 1, "task": "classify", "file": "model.onnx", "runtime": "onnx", "precision": "fp32"}
    description |= {"outputs": "raw"}
    embed(folder / "model.onnx", description)
    write_manifest(folder, description, ["model.onnx"])
    return description
