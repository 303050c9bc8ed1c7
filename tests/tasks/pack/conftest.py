"""`python -m tasks.pack` in this process."""

import sys

import pytest

from tests.conftest import Result


@pytest.fixture
def pack(monkeypatch, capfd):
    """The real command, without importing torch anew."""
    from tasks.pack.__main__ import main

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["tasks.pack", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as leave:
            status = int(leave.code or 0)
        return Result(status, *capfd.readouterr())

    return run
