"""The classifier's head by hand: pooling, the paper's hidden layer, dropout."""

import pytest
import torch
from torch import nn

from backbones.base import Feature, Hidden
from heads.classification import ClassificationHead

PLAIN = {"c5": Feature(4, 32)}


def test_logits_by_hand():
    head = ClassificationHead(PLAIN, 2, dropout=0.0)
    with torch.no_grad():
        head.classify.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, -2]]))
        head.classify.bias.copy_(torch.tensor([0.5, 0.0]))
    maps = torch.zeros(1, 4, 2, 2)
    maps[0, 0, 0, 0], maps[0, 3] = 8, 3  # means of 2 and 3
    assert head({"c5": maps}).tolist() == [[2.5, -6.0]]


def test_a_fifth_of_the_features_is_dropped_in_training_alone():
    torch.manual_seed(0)
    head = ClassificationHead({"c5": Feature(10_000, 32)}, 2)  # what MobileNetV2's and V3's code drops
    seen = []
    head.classify.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    maps = {"c5": torch.ones(1, 10_000, 1, 1)}
    head(maps)
    head.eval()(maps)
    trained, scored = seen
    assert 0.19 < (trained == 0).float().mean() < 0.21
    torch.testing.assert_close(trained.max(), torch.tensor(1 / 0.8))  # what is left is scaled up
    assert torch.equal(scored, torch.ones(1, 10_000))


def test_the_hidden_layer_is_what_the_backbone_announces():
    announced = {"c5": Feature(4, 32, Hidden(6, nn.ReLU)), "other": Feature(9, 16)}
    assert [type(layer) for layer in ClassificationHead(announced, 3).hidden] == [nn.Linear, nn.ReLU]
    normed = ClassificationHead({"c5": Feature(4, 32, Hidden(6, nn.ReLU, norm=True))}, 3)
    assert [type(layer) for layer in normed.hidden] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert normed.hidden[0].bias is None and normed.classify.in_features == 6
    own = ClassificationHead(announced, 3, hidden=5)
    assert own.hidden[0].out_features == own.classify.in_features == 5
    assert len(ClassificationHead(announced, 3, hidden=0).hidden) == 0
    with pytest.raises(ValueError, match="hidden='wide' is neither a width nor paper"):
        ClassificationHead(announced, 3, hidden="wide")


def test_weights_start_small():
    torch.manual_seed(0)
    head = ClassificationHead({"c5": Feature(256, 32, Hidden(512, nn.ReLU))}, 100)
    for layer in (head.hidden[0], head.classify):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert not layer.bias.any()
