"""What runs an exported file's operators on a device, and which format it reads. Imports nothing."""

FORMAT_OF = {  # of each delegate: the format that a checkpoint is exported to for it
    "litert-gpu": "litert",
    "xnnpack": "litert",
    "nnapi": "onnx",
    "coreml": "onnx",
    "edgetpu": "litert",
    "openvino": "openvino",
    "openvino-gpu": "openvino",
    "onnxruntime": "onnx",
    "webgpu": "onnx",
}
OWN = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "xnnpack", "executorch": "xnnpack"}  # by format
