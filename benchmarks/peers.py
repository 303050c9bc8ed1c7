"""torchvision's networks in OpenVINO and ONNX Runtime, exported as their own documentation says: the fair peers."""

import io
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from tasks.deploy.writers.silence import silence_logging

Array = NDArray[Any]
Call = Callable[[Array], Sequence[Array]]


class FromBytes(nn.Module):
    """A network of torchvision's with its preprocessing: planes (N, 3, H, W) uint8 in, `finish` of its output out."""

    def __init__(self, network: nn.Module, finish: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.network, self.finish = network, finish
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        return self.finish(self.network((planes.float() / 255 - self.mean) / self.std))


def planes_of(photo: Array) -> Array:
    """A photo (H, W, 3) as a batch of planes (1, 3, H, W)."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1))[None]


def in_openvino(module: nn.Module, example: Tensor, precision: str = "f32", calibration: Sequence[Array] = ()) -> Call:
    """A network converted by OpenVINO, on one thread.

    Args:
        example: its input, of the only size that it will take.
        precision: of the computation: f32 or bf16.
        calibration: inputs that determine the ranges of int8, by NNCF's defaults; none for a float network.
    """
    import openvino

    with silence_logging(), torch.no_grad():
        model = openvino.convert_model(torch.export.export(module.eval(), (example,)))
    model.reshape(list(example.shape))
    if calibration:
        import nncf

        nncf.set_log_level(logging.ERROR)
        model = nncf.quantize(model, nncf.Dataset(calibration), subset_size=len(calibration))
    return run_in_openvino(model, precision)


def run_in_openvino(model: Any, precision: str = "f32") -> Call:
    """A model of OpenVINO with one input, compiled for one thread, with the settings of our exported files."""
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    count = len(model.outputs)

    def call(image: Array) -> list[Array]:
        request.infer([image], share_inputs=True)
        return [request.get_output_tensor(number).data.copy() for number in range(count)]

    return call


def in_onnxruntime(module: nn.Module, example: Any, dynamo: bool = True) -> tuple[Call, bytes]:
    """A network as PyTorch's own ONNX file, on one thread in ONNX Runtime; also the file.

    Args:
        example: its only argument.
        dynamo: which of PyTorch's exporters writes it.
    """
    file = io.BytesIO()
    with silence_logging(), torch.no_grad():
        if dynamo:
            program = torch.onnx.export(module.eval(), (example,), input_names=["image"], dynamo=True, verbose=False)
            assert program is not None
            file.write(program.model_proto.SerializeToString())
        else:
            torch.onnx.export(module.eval(), (example,), file, input_names=["image"], opset_version=17, dynamo=False)
    import onnxruntime  # after tasks, which keeps it offline

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image}), file.getvalue()


def batched(model: Any) -> Callable[..., list[dict[str, Tensor]]]:
    """What `postprocess_detections` of torchvision's SSD returns, without its loop over classes.

    Candidates of all classes go through one topk and one `batched_nms` per image, as torchvision's RetinaNet could.
    """

    def postprocess(outputs: dict[str, Tensor], anchors: list[Tensor], sizes: list[tuple[int, int]]) -> Any:
        found = []
        everything = zip(outputs["cls_logits"].softmax(-1), outputs["bbox_regression"], anchors, sizes, strict=True)
        for scores, moves, places, (height, width) in everything:
            boxes = model.box_coder.decode_single(moves, places)
            boxes = torch.stack((boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)), 2).flatten(1)
            best, rows = scores[:, 1:].topk(min(model.topk_candidates, len(scores)), dim=0)  # (K, C)
            passed = best > model.score_thresh
            labels = passed.nonzero()[:, 1] + 1
            best, boxes = best[passed], boxes[rows[passed]]
            kept = batched_nms(boxes, best, labels, model.nms_thresh)[: model.detections_per_img]
            found.append({"boxes": boxes[kept], "scores": best[kept], "labels": labels[kept]})
        return found

    return postprocess
