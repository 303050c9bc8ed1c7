"""Statistics for each data set: whose rows go where, what is shared, and what a separated network becomes again."""

import copy
import re
import warnings

import lightning
import pytest
import torch
from torch import nn

from backbones.domain_norm import (
    COUNTS,
    DomainBatchNorm,
    images_of_domains,
    join_domains,
    separate_domains,
    state_for_domains,
    state_of_domain,
)
from tasks.engine.averaging import AverageWeights
from tests.backbones.test_contract import NAMES, build, side

SMALL = "mobilenet_v3_small"


def norms(network):
    return [module for module in network.modules() if isinstance(module, DomainBatchNorm)]


def tied(network):
    """All data sets' weights and biases are one."""
    ties = all(
        own.weight is n.norms[0].weight and own.bias is n.norms[0].bias for n in norms(network) for own in n.norms
    )
    return bool(norms(network)) and ties


def separated(name=SMALL, sets=2, steps=2):
    """A network of which each data set has its own statistics, those of darker and brighter images."""
    network = build(name)
    separate_domains(network, sets)
    network.train()
    for _ in range(steps):
        images = torch.randn(2 * sets, 3, side(name), side(name)) + torch.arange(sets).repeat_interleave(2).view(
            -1, 1, 1, 1
        )
        with torch.no_grad():
            network(images, (2,) * sets)
    return network.eval()


def same(maps, others):
    return maps.keys() == others.keys() and all(torch.equal(maps[name], others[name]) for name in maps)


def test_each_row_meets_its_own_statistics():
    norm = nn.BatchNorm2d(1, momentum=0.5)
    with torch.no_grad():
        norm.weight.fill_(2)
        norm.running_mean.fill_(1)
    layer = DomainBatchNorm(norm, 3)
    x = torch.tensor([[1.0, 3.0], [5.0, 7.0], [10.0, 20.0]]).view(3, 1, 1, 2)
    with images_of_domains((2, 0, 1)):
        out = layer(x)
    assert [float(own.running_mean) for own in layer.norms] == [0.5 + 4 / 2, 1, 0.5 + 15 / 2]
    assert [int(own.num_batches_tracked) for own in layer.norms] == [1, 0, 1]
    first, last = 2 * (x[:2] - 4) / 5**0.5, 2 * (x[2:] - 15) / 5  # variances 5 and 25
    torch.testing.assert_close(out, torch.cat([first, last]))
    out.square().sum().backward()
    assert layer.norms[1].weight.grad is layer.norms[0].weight.grad is not None

    with images_of_domains((0, 1)):  # data sets after the last have none
        torch.testing.assert_close(layer.eval()(x[:1]), 2 * (x[:1] - 1) / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("counts", [None, (), (1, 1), (1, 1, 2), (1, 1, 1)])
def test_counts_must_fit(counts):
    layer = DomainBatchNorm(nn.BatchNorm2d(1), 2)
    message = re.escape(f"3 images of 2 domains came with counts={counts}")
    with images_of_domains(counts), pytest.raises(RuntimeError, match=message):
        layer(torch.zeros(3, 1, 2, 2))


def test_counts_are_those_of_one_forward_pass():
    network, images = separated(), torch.zeros(2, 3, 64, 64)
    with torch.no_grad():
        network(images, (1, 1))
        assert COUNTS.get() is None
        with pytest.raises(RuntimeError, match="counts=None"):
            network(images)
        with pytest.raises(RuntimeError, match=r"counts=\(2, 2\)"):
            network(images, (2, 2))
        network(images, (0, 2))


@pytest.mark.parametrize("name", NAMES)
def test_each_part_is_an_ordinary_network(name):
    network, ordinary = separated(name), build(name).eval()
    names = list(ordinary.state_dict())
    images = torch.randn(2, 3, side(name), side(name))
    found = []
    for number, counts in enumerate([(2, 0), (0, 2)]):
        state = state_of_domain(network.state_dict(), number)
        assert list(state) == names
        ordinary.load_state_dict(state)
        with torch.no_grad():
            found.append(network(images, counts))
            assert same(found[-1], ordinary(images))
    assert not any(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v4_conv_small", "mnasnet_a1"])
@pytest.mark.parametrize("maps", [("c4_expanded",), ("c3_depthwise", "c4_depthwise"), ("c2", "c5")])
def test_a_block_that_ends_inside(name, maps):
    network = build(name)
    if not set(maps) <= set(network.features):
        pytest.skip("announces other maps")
    separate_domains(network, 2)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        whole = network.eval()(images, (1, 2))
        network.keep(maps)
        assert same(network(images, (1, 2)), {name: whole[name] for name in maps})


def test_kept_before_a_network_of_timm_is_separated():
    network = build("timm")
    network.keep(["c4"])
    separate_domains(network, 2)
    assert list(network(torch.randn(2, 3, 64, 64), (1, 1))) == ["c4"]
    assert tied(network)


def test_there_and_back():
    ordinary, network = (nn.ModuleDict({"backbone": build(SMALL), "head": nn.BatchNorm2d(3)}) for _ in range(2))
    with torch.no_grad():
        ordinary["backbone"](torch.randn(2, 3, 64, 64))
    state = ordinary.state_dict()
    separate_domains(network["backbone"], 3)
    network.load_state_dict(state_for_domains(state, network.state_dict()))
    for number in range(3):
        back = state_of_domain(network.state_dict(), number)
        assert list(back) == list(state) and all(torch.equal(back[name], state[name]) for name in state)
    separated_state = network.state_dict()
    assert state_for_domains(separated_state, separated_state) == separated_state, "nothing to do"
    assert state_for_domains(state, state) == state
    for wrong, number, there in ((separated_state, 3, 3), (state, 0, 0)):
        with pytest.raises(ValueError, match=rf"no statistics of data set {number} among {there}$"):
            state_of_domain(wrong, number)


def test_joined_again_a_network_is_the_ordinary_one_of_a_data_set():
    network, images = separated(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(images, (0, 2))
        state = state_of_domain(network.state_dict(), 1)
        join_domains(network, 1)
        assert not norms(network) and same(network(images), expected)
    assert list(network.state_dict()) == list(state)


def test_no_data_set_at_all():
    with pytest.raises(ValueError, match="domains=0 must be 1 or more"):
        separate_domains(build(SMALL), 0)


def test_what_was_learnt_and_the_mode_stay():
    ordinary = build(SMALL)
    with torch.no_grad():
        ordinary(torch.randn(2, 3, 64, 64))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = ordinary.eval()(images)
        separate_domains(ordinary, 2)
        assert not any(module.training for module in ordinary.modules())
        after = ordinary(images, (1, 1))
    for name in before:
        torch.testing.assert_close(after[name], before[name])


def test_a_copy_stands_alone():
    network = separated()
    other = copy.deepcopy(network)
    assert tied(network) and tied(other)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert not same(network(images, (1, 1)), other(images, (0, 2)))
        assert same(network(images, (1, 1)), other(images, (1, 1)))


def test_channels_last():
    network = separated().to(memory_format=torch.channels_last)
    assert tied(network)
    with torch.no_grad():
        maps = network(torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last), (1, 1))
    assert all(map_.is_contiguous(memory_format=torch.channels_last) for map_ in maps.values())


def test_one_part_is_not_copied():
    layer = DomainBatchNorm(nn.BatchNorm2d(2), 2)
    layer.norms[1] = nn.Identity()
    x = torch.randn(3, 2, 2, 2)
    with images_of_domains((0, 3)):
        assert layer(x) is x


def test_state_of_a_trained_network():
    network, other = separated(), build(SMALL)
    separate_domains(other, 2)
    other.load_state_dict(network.state_dict())
    assert tied(other)
    other.eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert same(network(images, (2, 1)), other(images, (2, 1)))


def test_synchronised_norms():
    network = separated()
    other = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network))
    assert tied(other)
    assert all(isinstance(own, nn.SyncBatchNorm) for norm in norms(other) for own in norm.norms)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert same(network(images, (2, 1)), other(images, (2, 1)))


class Fitted(lightning.LightningModule):
    """Learns anything from images of two data sets."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def training_step(self, images):
        return self.backbone(images, (2, 2))["c5"].square().mean()

    def validation_step(self, images):
        assert tied(self.backbone)
        self.scored = self.backbone(images, (4, 0))["c5"]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def test_averaged_weights(tmp_path):
    backbone = build(SMALL)
    separate_domains(backbone, 2)
    model, images = Fitted(backbone), torch.randn(4, 3, 64, 64)
    images[2:] += 2
    loader = torch.utils.data.DataLoader(images, batch_size=4)
    trainer = lightning.Trainer(
        max_steps=3, accelerator="cpu", callbacks=[AverageWeights(0.5)], logger=False, default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, loader, loader)  # ends with the averaged weights
    assert tied(backbone)
    ordinary = build(SMALL).eval()
    ordinary.load_state_dict(state_of_domain(backbone.state_dict(), 0))
    with torch.no_grad():
        assert torch.equal(ordinary(images)["c5"], model.scored), "what was scored is the averages with ties"
    first = norms(backbone)[0].norms
    assert not torch.allclose(first[0].running_mean, first[1].running_mean)
