"""OpenVINO without its reports: `import openvino` would send one to its makers, and so would NNCF."""

import sys


def stay_offline() -> None:
    """Make both take the stub that they have for when openvino_telemetry is not installed; to call before importing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
