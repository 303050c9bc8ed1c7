"""What a resumed run refuses before Lightning takes it."""

import copy

import pytest
import torch
from torch import nn

from tasks.common.errors import UserError
from tasks.engine.optimizers import RMSpropTF
from tasks.engine.pace import KeepPace
from tasks.engine.resume_checks import check_resumable, differs_in_optimizer, first_difference, wrong_callback


def whole() -> dict:
    entries = dict.fromkeys(("optimizer_states", "lr_schedulers", "loops", "callbacks"), ())
    return {"mobilevision": {}, **entries, "current_model_state": {}, "averaging_state": {}}


def test_a_checkpoint_without_what_a_run_goes_on_with_says_what_it_lacks(tmp_path):
    path = tmp_path / "best.ckpt"
    check_resumable(whole(), path, averaged=True)
    for key, what in (("loops", "loops"), ("optimizer_states", "optimiser"), ("averaging_state", "average's count")):
        lacking = {name: value for name, value in whole().items() if name != key}
        with pytest.raises(UserError, match=rf"it has no {what}\); checkpoint="):
            check_resumable(lacking, path, averaged=True)
    del lacking["current_model_state"]
    check_resumable(lacking, path, averaged=False)
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(UserError, match=rf"it holds weights alone\); resume={tmp_path}/last\.ckpt goes on"):
        check_resumable({"mobilevision": {}}, path, averaged=True)


def test_entries_of_another_kind_are_named():
    ours = {"a": {"count": 1, "last": True}, "b": [1.0, None], "c": torch.zeros(2), "d": "2.6"}
    same = {"a": {"count": 3, "last": False, "more": 0}, "b": (2, "any"), "c": torch.ones(2), "d": "2.5"}
    assert first_difference(same, ours, "x") == ""
    for key, wrong, where in (
        ("a", "abc", "x.a"),
        ("a", {"count": 1}, "x.a.last"),
        ("a", {"count": "1", "last": True}, "x.a.count"),
        ("b", [1.0], "x.b"),
        ("c", torch.zeros(3), "x.c"),
        ("d", None, "x.d"),
    ):
        assert first_difference({**same, key: wrong}, ours, "x") == where
    assert first_difference(None, ours, "x") == "x"


def test_an_optimisers_state_fits_its_parameters():
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW([{"params": [layer.weight]}, {"params": [layer.bias]}])
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    saved = [optimizer.state_dict()]
    assert differs_in_optimizer(saved, optimizer) == ""

    def wrong(change) -> str:
        other = copy.deepcopy(saved)
        change(other[0])
        return differs_in_optimizer(other, optimizer)

    assert differs_in_optimizer("abc", optimizer) == "optimizer_states"
    assert differs_in_optimizer([{}], optimizer) == "optimizer_states.0.state"
    assert wrong(lambda state: state.update(state={})) == "optimizer_states.0.state"
    assert wrong(lambda state: state["param_groups"].pop()) == "optimizer_states.0.param_groups"
    assert wrong(lambda state: state["param_groups"][0].pop("betas")) == "optimizer_states.0.param_groups"
    assert wrong(lambda state: state["state"].update({1: []})) == "optimizer_states.0.state.1"
    assert wrong(lambda state: state["state"][0].update(exp_avg=torch.zeros(3))) == "optimizer_states.0.state.0.exp_avg"
    state, groups = "optimizer_states.0.state", "optimizer_states.0.param_groups"
    assert wrong(lambda saved: saved["state"].update({0: {}})) == f"{state}.0.step"
    assert wrong(lambda saved: saved["state"][0].pop("exp_avg_sq")) == f"{state}.0.exp_avg_sq"
    assert wrong(lambda saved: saved["state"][0].update(exp_avg=torch.tensor(0.0))) == f"{state}.0.exp_avg"
    assert wrong(lambda saved: saved["state"][0].update(step=torch.zeros(2, 3))) == f"{state}.0.step"
    assert wrong(lambda saved: saved["state"].update({7: "x"})) == f"{state}.7"
    assert wrong(lambda saved: saved["param_groups"][0].update(betas="x")) == f"{groups}.betas"
    assert wrong(lambda saved: saved["param_groups"][0].update(eps=None)) == f"{groups}.eps"
    plain = torch.optim.SGD(layer.parameters(), lr=0.1)
    assert differs_in_optimizer([plain.state_dict()], plain) == "", "without momentum there is nothing to go on with"


@pytest.mark.parametrize(
    "make",
    [
        lambda parameters: RMSpropTF(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.RMSprop(parameters, lr=0.1),
        lambda parameters: torch.optim.NAdam(parameters, lr=0.1),
        lambda parameters: torch.optim.RAdam(parameters, lr=0.1),
        lambda parameters: torch.optim.Adam(parameters, lr=0.1, amsgrad=True),
    ],
)
def test_what_each_optimiser_leaves_is_what_it_goes_on_with(make):
    layer = nn.Linear(3, 2)
    optimizer = make(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    saved = optimizer.state_dict()
    assert differs_in_optimizer([copy.deepcopy(saved)], make(layer.parameters())) == ""
    saved["state"][1] = {}
    assert differs_in_optimizer([saved], make(layer.parameters())).startswith("optimizer_states.0.state.1.")


@pytest.mark.parametrize("entry", [{"steps": "x"}, "x", {"steps": 0}, {"images": None}])
def test_a_pace_that_is_none_is_refused(entry, monkeypatch):
    monkeypatch.setattr("tasks.engine.pace.pace", lambda _: {"steps": 3})
    with pytest.raises(UserError, match=r"resume=a\.ckpt is damaged: its run is not"):
        KeepPace("a.ckpt").on_load_checkpoint(None, None, {"run": entry})


@pytest.mark.parametrize("callbacks", [{3: {}}, {"a": []}, {"Best{": {}}, {("a", 1): {}}])
def test_callbacks_are_states_by_name(callbacks):
    assert wrong_callback({"a": {}, "Best{": {"best_model_score": 1}}) == ""
    assert wrong_callback(callbacks) == f"callbacks.{next(iter(callbacks))}"
