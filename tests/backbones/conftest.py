"""What several tests of backbones use."""

import sys

import pytest

from backbones.__main__ import main


@pytest.fixture
def command(monkeypatch, capsys):
    """`python -m backbones <arguments>` in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["backbones", *arguments])
        try:
            status = main()
        except SystemExit as leave:
            status = leave.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
