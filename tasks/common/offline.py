"""Keeps every library from reporting to its makers, or asking them for news; `import tasks` does it, before any other.

A variable that the user has set to something stays. `tasks/deploy/decode.py`, which ships alone, has a copy of what it
needs.
"""

import os
import sys

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.32: writes a database, looks up a host after 10 s; read at import
    "NO_ALBUMENTATIONS_UPDATE": "1",  # albumentations: asks for a newer version when it is imported
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, by which timm loads weights
    "DO_NOT_TRACK": "1",  # what else follows donottrack.sh
}
STUBBED = "openvino_telemetry"  # OpenVINO and NNCF have stubs for where it is not installed


def stay_offline() -> None:
    """Set the variables, for this process and those that it starts, and hide OpenVINO's reporter."""
    for name, value in VARIABLES.items():
        if not os.environ.get(name):
            os.environ[name] = value
    sys.modules.setdefault(STUBBED, None)  # type: ignore[arg-type]
