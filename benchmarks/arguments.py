"""Types of arguments that benchmarks share."""

import argparse
from pathlib import Path


def existing(text: str) -> Path:
    """A folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)
