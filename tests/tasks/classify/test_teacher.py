"""Teachers from torchvision: the same logits as the network itself, and clear refusals."""

import pytest
import torch
from torchvision.models import mobilenet_v3_small

from tasks.common.errors import UserError
from tasks.engine.teacher import torchvisions


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    network = mobilenet_v3_small().eval()
    torch.save(network.state_dict(), tmp_path / "small.pth")
    return network, str(tmp_path / "small.pth")


def test_a_torchvision_teacher_answers_as_the_network_itself(file):
    network, path = file
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    teacher = torchvisions("mobilenet_v3_small", path, 1000)
    with torch.no_grad():
        expected = network((images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        torch.testing.assert_close(teacher(images), expected, rtol=1e-4, atol=1e-9)


def test_teachers_that_do_not_fit_are_named(file):
    _, path = file
    for arguments, message in (
        (("mobilenet_v3_small", path, 10), "has 1000 classes, the data set 10"),
        (("resnet18", path, 1000), "distill.weights=.*small.pth"),
        (("resnet18", None, 1000), "needs distill.weights"),
        (("resnet1", path, 1000), "neither a .ckpt file nor a torchvision network"),
        (("resnet18", "nowhere.pth", 1000), r"no checkpoint at nowhere\.pth"),
    ):
        with pytest.raises(UserError, match=message):
            torchvisions(*arguments)
