"""What is said of a file that is not there, and of a value that is none of its choices."""

import pytest

from tasks.common.errors import UserError, check_file, not_one_of


def test_a_best_checkpoint_that_is_not_written_yet_says_why(tmp_path):
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(
        UserError, match=r"best\.ckpt: no such file, because no validation has happened yet.*last\.ckpt is"
    ):
        check_file("checkpoint", tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"lost\.ckpt: no such file; did you mean last\.ckpt\?$"):
        check_file("checkpoint", tmp_path / "lost.ckpt")
    (tmp_path / "last.ckpt").unlink()
    with pytest.raises(UserError, match=r"best\.ckpt: no such file$"):
        check_file("checkpoint", tmp_path / "best.ckpt")


@pytest.mark.parametrize(
    ("value", "ends"),
    [("cormel", "(did you mean coreml?)"), ("ONNX", "(did you mean onnx?)"), (7, "litert, ncnn, coreml")],
)
def test_what_is_none_of_its_choices_names_them_and_the_closest(value, ends):
    told = not_one_of(value, ("onnx", "litert", "ncnn", "coreml"))
    assert told.startswith("is not one of onnx, litert, ncnn, coreml")
    assert told.endswith(ends)
