"""`python -m tasks.pack` in this process."""

from functools import partial

import pytest


@pytest.fixture
def pack(command):
    return partial(command, "pack")
