"""CIFAR's archives, unpacked or not, pickled or binary: the same pixels, and clear words for damaged ones."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.datasets.cifar import BATCHES, CIFAR, CLASSES
from tasks.data.files import unpickle
from tasks.data.files.unpickle import load

PER_FILE = 4
FORMS = ["python", "binary"]


def contents(name: str, form: str) -> dict[str, bytes]:
    """Small files of a release; the pixels of each are drawn anew."""
    generator = np.random.default_rng(0)
    files = {}
    for file in (*BATCHES, "test_batch") if name == "cifar10" else ("train", "test"):
        pixels = generator.integers(0, 256, (PER_FILE, 3072), dtype=np.uint8)
        labels = generator.integers(0, len(CLASSES[name]), PER_FILE)
        coarse = labels // 5
        if form == "binary":
            columns = [labels] if name == "cifar10" else [coarse, labels]
            files[f"{file}.bin"] = np.column_stack([*columns, pixels]).astype(np.uint8).tobytes()
        else:
            lists = {b"labels": labels.tolist()}
            if name == "cifar100":
                lists = {b"fine_labels": labels.tolist(), b"coarse_labels": coarse.tolist()}
            files[file] = pickle.dumps({b"batch_label": b"one", b"data": pixels, **lists}, protocol=2)
    return files


def write(root: Path, name: str, form: str, *, packed: bool) -> Path:
    number = name.removeprefix("cifar")
    folder = {"cifar10python": "cifar-10-batches-py", "cifar10binary": "cifar-10-batches-bin"}.get(
        name + form, f"cifar-100-{form}"
    )
    root.mkdir(parents=True)
    if packed:
        with tarfile.open(root / f"cifar-{number}-{form}.tar.gz", "w:gz") as tar:
            for file, content in reversed(contents(name, form).items()):  # as in the official one, in no useful order
                info = tarfile.TarInfo(f"{folder}/{file}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        (root / folder).mkdir()
        for file, content in contents(name, form).items():
            (root / folder / file).write_bytes(content)
    return root


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_every_form_gives_the_same(tmp_path, name, form, packed):
    dataset = CIFAR(write(tmp_path / "c", name, form, packed=packed), name=name)
    train, val = dataset.train(), dataset.val()
    assert len(train) == (20 if name == "cifar10" else 4) and len(val) == 4
    raw = contents(name, "binary")
    file = "data_batch_2.bin" if name == "cifar10" else "train.bin"
    row = np.frombuffer(raw[file], np.uint8).reshape(PER_FILE, -1)[1]
    sample = train.read(5 if name == "cifar10" else 1)
    assert sample["image"].shape == (32, 32, 3) and sample["image"].dtype == np.uint8
    assert (sample["image"] == row[-3072:].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    assert sample["label"].dtype == np.int64 and sample["label"].shape == () and sample["label"] == row[-3073]
    assert train.name(1) == "train_00001" and val.name(0) == "test_00000" and val.size(0) == (32, 32)
    assert list(val.check()) == [None] * 4 and len(dataset.classes["label"]) == len(CLASSES[name])
    assert train.images.flags.c_contiguous


def test_classes_are_sorted_as_the_official_lists_are():
    for names in CLASSES.values():
        assert list(names) == sorted(set(names))
    assert len(CLASSES["cifar100"]) == 100


def test_a_view_is_given_pixels_of_its_own(tmp_path):
    val = CIFAR(write(tmp_path / "c", "cifar10", "python", packed=False)).val()
    before = val.read(0)["image"].copy()
    val.read(0)["image"][:] = 0
    assert (val.read(0)["image"] == before).all()
    assert (val.read(0, lambda pixels: pixels[:4])["image"] == before[:4]).all()


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_was_cut_off(tmp_path, form, part):
    root = write(tmp_path / "c", "cifar10", form, packed=True)
    archive = root / f"cifar-10-{form}.tar.gz"
    data = archive.read_bytes()
    archive.write_bytes(data[: int(part * len(data))])
    with pytest.raises(UserError, match=r"tar\.gz is truncated or damaged.*download it again"):
        CIFAR(root).train()


def test_files_that_are_missing_or_damaged(tmp_path):
    root = write(tmp_path / "c", "cifar10", "binary", packed=False)
    last = root / "cifar-10-batches-bin" / "data_batch_5.bin"
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"data_batch_5\.bin is damaged"):
        CIFAR(root).train()
    assert len(CIFAR(root).val()) == 4
    last.write_bytes(b"\x0a" * 3073)
    with pytest.raises(UserError, match="labels out of range"):
        CIFAR(root).train()
    last.unlink()
    with pytest.raises(UserError, match=r"data_batch_5\.bin is missing"):
        CIFAR(root).train()


PIXELS = np.zeros((1, 3072), np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"nonsense", pickle.dumps({b"data": 1}), pickle.dumps(print), pickle.dumps([1])),
        pickle.dumps({b"data": PIXELS, b"labels": [10**30]}),
    ],
    ids=range(6),
)
def test_pickles_that_are_something_else(tmp_path, content):
    root = write(tmp_path / "c", "cifar10", "python", packed=False)
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(UserError, match="test_batch is damaged"):
        CIFAR(root).val()


class Evil:
    def __reduce__(self):
        return eval, ("1",)


def test_pickles_cannot_run_anything():
    for wanted in (Evil(), Path(), np.float64(1)):
        with pytest.raises(pickle.UnpicklingError, match="it asks for"):
            load(pickle.dumps(wanted, protocol=2))
    # as Python 2 wrote the official ones: strings of bytes, numpy's old module name
    old = pickle.dumps({b"data": np.arange(4, dtype=np.uint8)}, protocol=2).replace(b"numpy._core", b"numpy.core")
    assert load(old)[b"data"].tolist() == [0, 1, 2, 3]
    wide = np.arange(6).reshape(2, 3).T
    assert (load(pickle.dumps([wide, wide.astype(">f4")]))[1] == wide).all()


def shared(entry: object, levels: int) -> bytes:
    """A pickle of a list of ten references to a list of ten references, and so on."""
    for _ in range(levels):
        entry = [entry] * 10
    return pickle.dumps(entry, protocol=2)


def test_shared_lists_do_not_multiply_without_end(monkeypatch):
    monkeypatch.setattr(unpickle, "MOST", 1_000)
    load(shared(1, 2))
    for content in (shared(1, 3), shared((), 15)):
        with pytest.raises(pickle.UnpicklingError, match="more than 1,000 entries"):
            load(content)
    array, same = load(pickle.dumps([PIXELS] * 2))
    assert array is same, "a large array that is there often is made once"


def call(function: bytes, *arguments: object) -> bytes:
    """A pickle that calls a global, `module name`, with some arguments."""
    packed = b"".join(pickle.dumps(argument, protocol=0)[:-1] for argument in arguments)
    module, name = function.split()
    return b"c" + module + b"\n" + name + b"\n(" + packed + b"tR."


@pytest.mark.parametrize(
    "content",
    [
        call(b"numpy ndarray", (10**12,)),
        call(b"numpy ndarray", (1,), "O", b"A" * 8),
        pickle.dumps(np.array([print, 1], object)),
        pickle.dumps(np.zeros(2, [("a", "O")])),
        pickle.dumps(np.dtype("u1")),
        b"cnumpy\nndarray\n.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
        b"\x80\x04r\xff\xff\xff\x7fN.",  # a memo of 16 GB
        b"(" * 100_000 + b"l" * 100_000 + b".",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I9\ntNI0\nNtb.",
    ],
    ids=range(10),
)
def test_pickles_make_nothing_but_plain_arrays(content):
    with pytest.raises(pickle.UnpicklingError):
        load(content)


def test_nothing_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="no archive of cifar100") as error:
        CIFAR(tmp_path, name="cifar100").train()
    assert "cifar-100-python.tar.gz" in str(error.value) and "found: notes.txt" in str(error.value)
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=r"found: notes\.txt, train; dataset=folders reads train/<class>/"):
        CIFAR(root=tmp_path, name="cifar100").val()
    with pytest.raises(UserError, match="not one of cifar10, cifar100"):
        CIFAR(tmp_path, name="cifar20")
