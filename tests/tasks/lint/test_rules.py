"""The lists: every line is a rule, an unlisted operator is never native, and the first rule that holds decides."""

from datetime import date

import pytest

from tasks.common.delegates import FORMAT_OF, OWN
from tasks.common.formats import FORMATS
from tasks.deploy.rewrite_table import REWRITES
from tasks.lint.operators import Operator, Tensor, facts_of
from tasks.lint.rules import HEADS, LISTS, NATIVE, REFUSED, UNKNOWN, VERDICTS, clauses_of, holds, read_list


@pytest.mark.parametrize("target", [*FORMAT_OF, "executorch"])
def test_a_list_has_source_date_and_operators(target):
    found = read_list(target)
    assert set(HEADS) <= set(found.head) and found.rules
    assert date(2026, 1, 1) < date.fromisoformat(found.head["read"])
    if found.head["complete"] == "yes":
        assert found.head["unlisted"] in VERDICTS and found.head["unlisted"] != NATIVE
    for lines in found.rules.values():
        assert all(rule.verdict.why for rule in lines if rule.verdict.what != NATIVE)


@pytest.mark.parametrize("target", [*FORMAT_OF, "executorch"])
def test_what_no_list_has_is_never_native(target):
    facts = facts_of([Tensor("float32", [1, 8, 6, 6], False)], [Tensor("float32", [1, 8, 6, 6], False)])
    assert read_list(target).verdict(Operator("Unheard", "", facts)).what != NATIVE


def test_every_list_belongs_to_a_target():
    assert {path.stem for path in LISTS.glob("*.tsv")} == {*FORMAT_OF, "executorch"}
    assert set(OWN.values()) <= set(FORMAT_OF) and set(FORMATS) - {"torch", "ncnn", "coreml"} <= set(OWN)
    assert {name for entry in REWRITES.values() for name in entry.delegates} <= set(FORMAT_OF)


CLAUSES = {
    "type=int8|uint8": True,
    "type!=int8": False,
    "rank>3": True,
    "rank<4": False,
    "since=1..10|13..": True,
    "since=14..": False,
    "missing=1": False,
    "missing!=1": False,  # what a file does not tell proves nothing
}


@pytest.mark.parametrize("when", CLAUSES)
def test_clauses(when):
    (clause,) = clauses_of(when)
    assert holds({"type": "int8", "rank": 4, "since": 13}, *clause) == CLAUSES[when]


def test_a_damaged_condition_is_an_error():
    with pytest.raises(ValueError, match="is no condition"):
        clauses_of("type int8")


def judged(target: str, kind: str, **facts: str | int) -> str:
    return read_list(target).verdict(Operator(kind, "", facts)).what


def test_verdicts_of_the_documentation():
    assert judged("litert-gpu", "CAST", type="uint8", to="float32", rank=4) != NATIVE
    assert judged("litert-gpu", "CAST", type="int32", to="float32", rank=4) == NATIVE
    assert judged("litert-gpu", "RESHAPE", type="float32", rank=5) != NATIVE
    assert judged("xnnpack", "HARD_SWISH", type="float32", rank=4) == NATIVE
    assert judged("xnnpack", "HARD_SWISH", type="int8", rank=4) != NATIVE
    assert judged("xnnpack", "MEAN", type="float32", rank=4, axes="1,2") == NATIVE
    assert judged("xnnpack", "MEAN", type="float32", rank=4, axes="3") != NATIVE
    assert judged("edgetpu", "CONV_2D", type="float32", outer=1) != NATIVE
    assert judged("edgetpu", "CONV_2D", type="int8", outer=1) == NATIVE
    assert judged("nnapi", "Resize", type="float32", rank=4, mode="linear", coordinates="half_pixel") == NATIVE
    assert judged("nnapi", "Resize", type="float32", rank=4, mode="linear", coordinates="pytorch_half_pixel") != NATIVE
    assert judged("nnapi", "ReduceMean") == UNKNOWN
    assert judged("coreml", "Cast", type="uint8", to="float32") != NATIVE
    assert judged("onnxruntime", "Nothing") == REFUSED
    assert judged("openvino", "ReLU") == judged("openvino", "Relu") == NATIVE


def test_onnxruntimes_list_is_that_of_its_kernels():
    """Of the installed version, which may be newer than the list: no operator of the list may be gone."""
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    kernels = {kernel.op_name.lower() for kernel in state.get_all_opkernel_def()}
    listed = {kind for kind, lines in read_list("onnxruntime").rules.items() if lines[0].verdict.what == NATIVE}
    assert {kind.partition(":")[2] or kind for kind in listed} <= kernels
    assert "hardswish" not in kernels  # what the list's fallback says
