"""User errors of the Python API: a traceback that ends where the user called."""

import traceback

import pytest

from tasks import load
from tasks.app import boundary, network, program
from tasks.app.boundary import path_of, short_traceback
from tasks.app.model import Model
from tasks.app.result import Result
from tasks.common.errors import UserError


def frames_of(call):
    with pytest.raises(Exception, match=r"\S") as caught:
        call()
    return caught.value, traceback.extract_tb(caught.value.__traceback__)[1:]  # the first is this file's


def test_a_user_error_has_the_users_frames_and_one_of_ours(monkeypatch):
    error, frames = frames_of(lambda: load("none.ckpt"))
    assert isinstance(error, UserError) and [frame.filename for frame in frames] == [__file__, boundary.__file__]
    shown = "".join(traceback.format_exception(error))
    assert shown.count("Traceback") == 1 and shown.endswith("UserError: no checkpoint at none.ckpt\n")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    _, frames = frames_of(lambda: load("none.ckpt"))
    assert len(frames) > 3


def test_a_bug_keeps_its_traceback():
    def inner():
        return 1 / 0

    error, frames = frames_of(lambda: short_traceback(inner)())
    assert isinstance(error, ZeroDivisionError) and frames[-1].name == "inner"


def test_every_function_of_the_api_has_it():
    functions = (load, program.train, program.evaluate, network.build, Model.predict, Result.save, Result.plot)
    assert all(hasattr(function, "__wrapped__") for function in functions)


def test_a_home_that_does_not_exist_is_a_name():
    assert str(path_of("~no_such_user_here/a.png", "predict", "a path")) == "~no_such_user_here/a.png"
