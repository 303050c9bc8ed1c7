"""What is said of a file that is not there."""

import pytest

from tasks.common.errors import UserError, check_file


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
