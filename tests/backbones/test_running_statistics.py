"""Running statistics that start as the mean of all batches: the formula, every layer, loading, resuming."""

import copy

import pytest
import torch
from torch import nn

from backbones.domain_norm import DomainBatchNorm, images_of_domains, separate_domains
from backbones.running_statistics import start_from_mean
from tests.backbones.test_contract import build

LAYERS = {
    "1d": lambda: nn.BatchNorm1d(2, momentum=0.25),
    "2d": lambda: nn.BatchNorm2d(2, momentum=0.25),
    "synchronised": lambda: nn.SyncBatchNorm(2, momentum=0.25),
    "timm": lambda: pytest.importorskip("timm").layers.BatchNormAct2d(2, momentum=0.25),
}


def batches(count, ndim=4):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(5, 2, *(4, 4)[: ndim - 2], generator=generator) + 7 for _ in range(count)]


def mean_and_variance(x):
    rows = x.transpose(0, 1).flatten(1)
    return rows.mean(1), rows.var(1)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_mean_of_all_batches_until_momentum_takes_over(kind):
    norm = LAYERS[kind]().train()
    (start,) = start_from_mean(norm)
    seen = []
    for number, x in enumerate(batches(9, 2 if kind == "1d" else 4)):
        norm(x)
        seen.append(mean_and_variance(x))
        if number < 4:  # 1/1 … 1/4
            mean, variance = (torch.stack(values).mean(0) for values in zip(*seen, strict=True))
        else:  # as without us
            mean, variance = (old.lerp(new, 0.25) for old, new in zip((mean, variance), seen[-1], strict=True))
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, variance)
    assert norm.momentum == 0.25 and int(norm.num_batches_tracked) == 9
    assert not norm._forward_pre_hooks, "nothing is left to do"
    start.remove()
    assert norm.momentum == 0.25


def test_each_data_set_counts_its_own_batches():
    norm = DomainBatchNorm(nn.BatchNorm2d(2, momentum=0.01), 2)
    start_from_mean(norm)
    first, second, third = batches(3)
    for counts, batch in (((3, 0), first[:3]), ((3, 0), second[:3]), ((0, 5), third)):
        with images_of_domains(counts):
            norm(batch)
    means = [mean_and_variance(x)[0] for x in (first[:3], second[:3], third)]
    torch.testing.assert_close(norm.norms[0].running_mean, (means[0] + means[1]) / 2)
    torch.testing.assert_close(norm.norms[1].running_mean, means[2])


def test_loaded_statistics_are_kept_whatever_their_count():
    published = nn.BatchNorm2d(2, momentum=0.01)
    published.running_mean.fill_(5)
    published.running_var.fill_(3)
    for count in (0, 100, 10**6):
        norm = copy.deepcopy(published)
        norm.num_batches_tracked.fill_(count)
        assert start_from_mean(norm) == []
        norm.train()(batches(1)[0])
        assert 5.0 < float(norm.running_mean[0]) < 5.04
    norm = copy.deepcopy(published)
    start_from_mean(norm)
    norm.train()(batches(1)[0])
    assert start_from_mean(norm) == [] and int(norm.num_batches_tracked) == 101, "a resumed run must keep them, too"


def test_a_resumed_training_goes_on_bit_for_bit():
    whole = nn.BatchNorm2d(2, momentum=0.2).train()
    start_from_mean(whole)
    for number, x in enumerate(batches(8)):
        if number in (1, 3, 6):  # before, within and after
            state = copy.deepcopy(whole.state_dict())
            resumed = nn.BatchNorm2d(2, momentum=0.2).train()
            assert resumed.state_dict().keys() == state.keys()
            resumed.load_state_dict(state)
            start_from_mean(resumed)
            for y in batches(8)[number:]:
                resumed(y)
        whole(x)
        if number == 7:
            assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), resumed.buffers(), strict=True))


def test_what_stays_as_it_is():
    fixed, cumulative = nn.BatchNorm2d(2, momentum=0), nn.BatchNorm2d(2, momentum=None)
    without, frozen = nn.BatchNorm2d(2, track_running_stats=False), nn.BatchNorm2d(2)
    network = nn.Sequential(fixed, cumulative, without, frozen)
    (start,) = start_from_mean(network)
    network.train()
    frozen.eval()
    network(batches(1)[0])
    assert start.norm is frozen and start.batches == 0 and int(frozen.num_batches_tracked) == 0
    assert not fixed.running_mean.any() and cumulative.momentum is None


def test_a_layer_in_evaluation_mode_keeps_its_count():
    teacher = nn.BatchNorm2d(2, momentum=0.01).eval()
    teacher.running_mean.fill_(5)
    assert start_from_mean(nn.Sequential(teacher, nn.BatchNorm2d(2).eval())) == []
    assert int(teacher.num_batches_tracked) == 0 and not teacher._forward_pre_hooks


def test_a_copy_counts_for_itself():
    norm = nn.BatchNorm2d(2, momentum=0.01).train()
    (start,) = start_from_mean(norm)
    copied = copy.deepcopy(norm)
    copied(batches(1)[0])
    assert start.batches == 0 and norm.momentum == 0.01 and copied.momentum == 1.0
    norm(batches(1)[0])
    assert torch.equal(norm.running_mean, copied.running_mean)


def test_one_read_of_the_device_for_the_whole_network(monkeypatch):
    network = build("mobilenet_v3_small")
    separate_domains(network, 2)
    reads = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: reads.append(1) or tolist(self))
    monkeypatch.setattr(torch.Tensor, "__int__", lambda self: reads.append(1))
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda self: reads.append(1))
    assert len(start_from_mean(network)) == 2 * 34 and len(reads) == 1
