"""Disables telemetry and update checks of all libraries; `import tasks` does so before it imports anything else.

Variables that the user has set keep their value. `tasks/deploy/decode.py`, which is shipped as a single file, has its
own copy of what it needs.
"""

import os
import sys

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.32: writes a database, resolves a host after 10 s; read at import
    "NO_ALBUMENTATIONS_UPDATE": "1",  # albumentations: checks for a newer version on import
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, with which timm loads weights
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow: reports its use
    "WANDB_ERROR_REPORTING": "false",  # wandb: its errors and timings
    "DO_NOT_TRACK": "1",  # others that follow donottrack.sh
}
STUBBED = "openvino_telemetry"  # OpenVINO and NNCF fall back to stubs if it is not installed


def stay_offline() -> None:
    """Set the variables for this process and its children, and hide OpenVINO's telemetry package."""
    for name, value in VARIABLES.items():
        if not os.environ.get(name):
            os.environ[name] = value
    sys.modules.setdefault(STUBBED, None)  # type: ignore[arg-type]
