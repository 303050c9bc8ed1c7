"""Statistics for each data set: whose rows go where, what is shared, and what a separated network becomes again."""

import copy
import warnings

import lightning
import pytest
import torch
from torch import nn

from backbones.norms import Rows, SeparateNorm, merged, separate, spread
from tasks.engine.averaging import AverageWeights
from tests.backbones.test_contract import NAMES, build, side

SMALL = "mobilenet_v3_small"


def norms(network):
    return [module for module in network.modules() if isinstance(module, SeparateNorm)]


def tied(network):
    """All data sets' weights and biases are one, and one Rows tells all."""
    ties = all(
        own.weight is n.norms[0].weight and own.bias is n.norms[0].bias for n in norms(network) for own in n.norms
    )
    return bool(norms(network)) and ties and all(norm.rows is network.rows for norm in norms(network))


def separated(name=SMALL, sets=2, steps=2):
    """A network of which each data set has its own statistics, those of darker and brighter images."""
    network = build(name)
    separate(network, sets)
    network.rows.counts = (2,) * sets
    network.train()
    for _ in range(steps):
        images = torch.randn(2 * sets, 3, side(name), side(name)) + torch.arange(sets).repeat_interleave(2).view(
            -1, 1, 1, 1
        )
        with torch.no_grad():
            network(images)
    return network.eval()


def same(maps, others):
    return maps.keys() == others.keys() and all(torch.equal(maps[name], others[name]) for name in maps)


def test_each_row_meets_its_own_statistics():
    rows, norm = Rows((2, 0, 1)), nn.BatchNorm2d(1, momentum=0.5)
    with torch.no_grad():
        norm.weight.fill_(2)
        norm.running_mean.fill_(1)
    layer = SeparateNorm(norm, 3, rows)
    x = torch.tensor([[1.0, 3.0], [5.0, 7.0], [10.0, 20.0]]).view(3, 1, 1, 2)
    out = layer(x)
    assert [float(own.running_mean) for own in layer.norms] == [0.5 + 4 / 2, 1, 0.5 + 15 / 2]
    assert [int(own.num_batches_tracked) for own in layer.norms] == [1, 0, 1]
    first, last = 2 * (x[:2] - 4) / 5**0.5, 2 * (x[2:] - 15) / 5  # variances 5 and 25
    torch.testing.assert_close(out, torch.cat([first, last]))
    out.square().sum().backward()
    assert layer.norms[1].weight.grad is layer.norms[0].weight.grad is not None

    rows.counts = (0, 1)  # data sets behind the last have none
    torch.testing.assert_close(layer.eval()(x[:1]), 2 * (x[:1] - 1) / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("counts", [(), (1, 1), (1, 1, 2), (1, 1, 1)])
def test_counts_must_fit(counts):
    layer = SeparateNorm(nn.BatchNorm2d(1), 2, Rows(counts))
    with pytest.raises(RuntimeError, match=r"3 images of 2 data sets came as rows\.counts=\("):
        layer(torch.zeros(3, 1, 2, 2))


@pytest.mark.parametrize("name", NAMES)
def test_each_part_is_an_ordinary_network(name):
    network, ordinary = separated(name), build(name).eval()
    names = list(ordinary.state_dict())
    images = torch.randn(2, 3, side(name), side(name))
    found = []
    for number, counts in enumerate([(2, 0), (0, 2)]):
        network.rows.counts = counts
        state = merged(network.state_dict(), number)
        assert list(state) == names
        ordinary.load_state_dict(state)
        with torch.no_grad():
            found.append(network(images))
            assert same(found[-1], ordinary(images))
    assert not any(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v4_conv_small", "mnasnet_a1"])
@pytest.mark.parametrize("maps", [("c4_expanded",), ("c3_depthwise", "c4_depthwise"), ("c2", "c5")])
def test_a_block_that_ends_inside(name, maps):
    network = build(name)
    if not set(maps) <= set(network.features):
        pytest.skip("announces other maps")
    separate(network, 2)
    images = torch.randn(3, 3, 64, 64)
    network.rows.counts = (1, 2)
    with torch.no_grad():
        whole = network.eval()(images)
        network.keep(maps)
        assert same(network(images), {name: whole[name] for name in maps})


def test_kept_before_a_network_of_timm_is_separated():
    network = build("timm")
    network.keep(["c4"])
    separate(network, 2)
    network.rows.counts = (1, 1)
    assert list(network(torch.randn(2, 3, 64, 64))) == ["c4"]
    assert tied(network)


def test_there_and_back():
    ordinary, network = (nn.ModuleDict({"backbone": build(SMALL), "head": nn.BatchNorm2d(3)}) for _ in range(2))
    with torch.no_grad():
        ordinary["backbone"](torch.randn(2, 3, 64, 64))
    state = ordinary.state_dict()
    separate(network["backbone"], 3)
    network.load_state_dict(spread(state, network.state_dict()))
    for number in range(3):
        back = merged(network.state_dict(), number)
        assert list(back) == list(state) and all(torch.equal(back[name], state[name]) for name in state)
    separated_state = network.state_dict()
    assert spread(separated_state, separated_state) == separated_state, "nothing to do"
    assert spread(state, state) == state
    for wrong, number, there in ((separated_state, 3, 3), (state, 0, 0)):
        with pytest.raises(ValueError, match=rf"no statistics of data set {number} among {there}$"):
            merged(wrong, number)


def test_no_data_set_at_all():
    with pytest.raises(ValueError, match="sets=0 must be 1 or more"):
        separate(build(SMALL), 0)


def test_what_was_learnt_and_the_mode_stay():
    ordinary = build(SMALL)
    with torch.no_grad():
        ordinary(torch.randn(2, 3, 64, 64))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = ordinary.eval()(images)
        separate(ordinary, 2)
        assert not any(module.training for module in ordinary.modules())
        ordinary.rows.counts = (1, 1)
        after = ordinary(images)
    for name in before:
        torch.testing.assert_close(after[name], before[name])


def test_a_copy_stands_alone():
    network = separated()
    other = copy.deepcopy(network)
    assert tied(network) and tied(other)
    assert other.rows is not network.rows
    network.rows.counts, other.rows.counts = (1, 1), (0, 2)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert not same(network(images), other(images))
        other.rows.counts = (1, 1)
        assert same(network(images), other(images))


def test_channels_last():
    network = separated().to(memory_format=torch.channels_last)
    assert tied(network)
    network.rows.counts = (1, 1)
    with torch.no_grad():
        maps = network(torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last))
    assert all(map_.is_contiguous(memory_format=torch.channels_last) for map_ in maps.values())


def test_one_part_is_not_copied():
    layer = SeparateNorm(nn.BatchNorm2d(2), 2, Rows((0, 3)))
    layer.norms[1] = nn.Identity()
    x = torch.randn(3, 2, 2, 2)
    assert layer(x) is x


def test_state_of_a_trained_network():
    network, other = separated(), build(SMALL)
    separate(other, 2)
    other.load_state_dict(network.state_dict())
    assert tied(other)
    other.eval()
    network.rows.counts = other.rows.counts = (2, 1)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert same(network(images), other(images))


def test_synchronised_norms():
    network = separated()
    other = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network))
    assert tied(other)
    assert all(isinstance(own, nn.SyncBatchNorm) for norm in norms(other) for own in norm.norms)
    network.rows.counts = other.rows.counts = (2, 1)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert same(network(images), other(images))


class Fitted(lightning.LightningModule):
    """Learns anything from images of two data sets."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def training_step(self, images):
        self.backbone.rows.counts = (2, 2)
        return self.backbone(images)["c5"].square().mean()

    def validation_step(self, images):
        assert tied(self.backbone)
        self.backbone.rows.counts = (4, 0)
        self.scored = self.backbone(images)["c5"]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def test_averaged_weights(tmp_path):
    backbone = build(SMALL)
    separate(backbone, 2)
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
    ordinary.load_state_dict(merged(backbone.state_dict(), 0))
    with torch.no_grad():
        assert torch.equal(ordinary(images)["c5"], model.scored), "what was scored is the averages with ties"
    first = norms(backbone)[0].norms
    assert not torch.allclose(first[0].running_mean, first[1].running_mean)
