"""A mistake in a value is one line; an error of a user's own code, or of a line of ours, keeps its traceback."""

import importlib
import sysconfig
from typing import Any

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tasks.common.errors import UserError
from tasks.common.origin import is_elsewhere, needs_traceback
from tasks.engine.build import user_errors

OWN = """
import torch

class Flip:
    def __init__(self, p=None):
        if p == "value":
            raise ValueError("an own check")
        if p == "library":
            torch.zeros(2).reshape(3)
        len(p)
"""


def made(settings):
    """What is built, without a frame of this file between the two functions."""
    return user_errors()(instantiate)(OmegaConf.create(settings))


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_transforms.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("own_transforms")


@pytest.mark.parametrize(("value", "error"), [(3, TypeError), ("value", ValueError), ("library", RuntimeError)])
def test_an_own_class_keeps_its_traceback(own, value, error):
    with pytest.raises(Exception) as caught:
        made({"_target_": "own_transforms.Flip", "p": value})
    assert not isinstance(caught.value, UserError)
    assert isinstance(caught.value.__cause__, error)


def test_a_slip_of_ours_keeps_its_traceback():
    from tasks.config.amounts import readable

    with pytest.raises(TypeError):
        user_errors()(readable)("5", "params")


def test_a_lack_of_memory_is_told_by_the_command():
    """Only that knows which keys to lower."""
    with pytest.raises(InstantiationException, match="memory"):
        made({"_target_": "torch.empty", "_args_": [1 << 60]})


@pytest.mark.parametrize(
    "settings",
    [
        {"_target_": "torch.optim.SGD", "params": [], "lr": -1},
        {"_target_": "albumentations.HorizontalFlip", "p": 7},
        {"_target_": "heads.select.Select", "threshold": 7},
        {"_target_": "heads.select.Select", "treshold": 7},
    ],
)
def test_a_wrong_value_is_one_line(settings):
    with pytest.raises(UserError):
        made(settings)


def test_a_message_of_the_users_own_class_needs_no_traceback(tmp_path):
    code = "def check(error):\n    raise error('photos/7.jpg has no label')\n"
    check: dict[str, Any] = {}
    exec(compile(code, str(tmp_path / "reader.py"), "exec"), check)
    for kind, kept in ((UserError, False), (ValueError, True)):
        with pytest.raises(kind) as caught:
            check["check"](kind)
        assert needs_traceback(caught.value) == kept


def test_errors_from_nowhere_are_not_ours():
    assert not needs_traceback(ValueError("made, not raised"))


def test_a_class_below_the_installations_folder_is_the_users():
    """sysconfig counts the whole prefix as the place of data."""
    assert is_elsewhere(f"{sysconfig.get_path('data')}/my_project/own.py")
    assert not is_elsewhere(sysconfig.__file__)
