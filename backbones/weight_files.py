"""Names of files of weights. Nothing here imports PyTorch."""

from pathlib import Path

SUFFIX = ".safetensors"
WEIGHTS = (".pth", ".pt", ".ckpt", SUFFIX)
OURS = (".ckpt", SUFFIX)  # that may be a checkpoint of this project
PUBLISHED = f"model{SUFFIX}"  # of tasks.publish, and of most repositories of the Hugging Face Hub


def published_file(path: Path) -> Path:
    """A folder's model.safetensors if it has one; any other path as it is."""
    return path / PUBLISHED if (path / PUBLISHED).is_file() else path
