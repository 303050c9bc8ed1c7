"""Files of any origin as checkpoints: read as plain data or refused in one line, never executed."""

import pickle
import zipfile

import pytest
import torch

from backbones.torch_file import MOST, check_sound, read_checkpoint


def save(path, content):
    torch.save(content, path)
    return path.read_bytes()


def test_files_of_other_kinds_are_refused_in_one_line(tmp_path):
    path = tmp_path / "file.pth"
    whole = save(path, {"a": torch.arange(500.0)})
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1_000_000))  # small in the file, large in memory
    with zipfile.ZipFile(tmp_path / "other", "w") as archive:
        archive.writestr("a.txt", "hello")
    torch.save({"a": torch.zeros(3)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    old = (tmp_path / "old").read_bytes()
    assert read_checkpoint(tmp_path / "old").keys() == {"a"}, "torchvision's older files are read"
    contents = {
        "empty": b"",
        "text": b"hello\nworld",
        "image": b"\x89PNG\r\n\x1a\n" + bytes(50),
        "pickle": pickle.dumps({"a": [1]}),
        "list": save(path, [1, 2]),
        "module": save(path, torch.nn.Linear(2, 2)),
        "half": whole[: len(whole) // 2],
        "compressed": (tmp_path / "zip").read_bytes(),
        "another zip": (tmp_path / "other").read_bytes(),
        "no zip at all": b"PK\x03\x04" + bytes(range(200)),
        "half of an old one": old[: len(old) // 2],
        "head of an old one": old[:40],
    }
    for name, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"file\.pth") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value), name
    with pytest.raises(ValueError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_changed_bytes_are_found_wherever_they_are(tmp_path):
    path = tmp_path / "file.pth"
    whole = save(path, {"a": torch.arange(500.0), "names": ["road", "sky"]})
    for place in (
        whole.index(b"road"),
        whole.index(torch.tensor(3.0).numpy().tobytes() + torch.tensor(4.0).numpy().tobytes()),
    ):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(bytes(changed))
        with pytest.raises(ValueError, match="are not those that were written"):
            read_checkpoint(path)


def test_what_is_larger_than_its_file_is_refused(tmp_path):
    bomb: list = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb]
    circle: list = []
    circle.append(circle)
    huge = torch.zeros(1).expand(10**9, 10**9)
    for content, message in ((bomb, f"over {MOST:,} entries"), (circle, "levels"), (huge, "no tensor with all")):
        save(tmp_path / "file.pth", {"a": content})
        with pytest.raises(ValueError, match=message):
            read_checkpoint(tmp_path / "file.pth")


def test_one_tensor_of_many_names_is_no_checkpoint(tmp_path):
    tensor = torch.zeros(10_000)
    torch.save({str(number): tensor for number in range(8)}, tmp_path / "tied.pth")
    assert len(read_checkpoint(tmp_path / "tied.pth")) == 8
    torch.save({str(number): tensor for number in range(1_000)}, tmp_path / "many.pth")
    with pytest.raises(ValueError, match=r"many\.pth is no checkpoint: its tensors are over 16 times as large as"):
        read_checkpoint(tmp_path / "many.pth")


def test_weights_are_finite_and_variances_not_negative():
    sound = {"weight": torch.ones(2), "running_var": torch.zeros(2), "steps": torch.tensor(-1)}
    check_sound(sound, "a.ckpt")
    for name, value in (("weight", torch.nan), ("weight", -torch.inf), ("running_var", -0.1)):
        with pytest.raises(ValueError, match=rf"a\.ckpt cannot be used: {name}"):
            check_sound({**sound, name: torch.tensor([1.0, value])}, "a.ckpt")
