"""Marks and skips the tests of this folder, and says which device they run on."""

import os
from pathlib import Path

import pytest
import torch

ON_CPU = os.environ.get("MOBILEVISION_GPU_TESTS_ON") == "cpu"
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them before `-m` is looked at."""
    skip = pytest.mark.skip(reason="needs CUDA, which PyTorch does not see here")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("gpu")
            if not ON_CPU and not torch.cuda.is_available():
                item.add_marker(skip)


@pytest.fixture
def device() -> str:
    return "cpu" if ON_CPU else "cuda"


@pytest.fixture
def exact_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TF32 in convolutions, whose ten bits of mantissa would decide ties otherwise than a CPU."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
