"""Widths that shrink alone, and weights without channels."""

import copy

import pytest
import torch
from hydra import compose, initialize_config_module
from torch import nn

from tasks.app.resolve import resolve
from tasks.common.task_info import nameless
from tasks.search.narrow.cut import cut, kept_channels, norms_of, strongest
from tasks.search.narrow.widths import allowed, narrowed, structure_of, widths_of
from tasks.search.networks import Networks

SIZE = (64, 64)


def networks(task, *overrides):
    with initialize_config_module("conf", version_base="1.3"):
        config = compose(task, [f"task={task}", "data.fit=null", *overrides])
    return Networks(resolve(task, config).run, nameless(5), SIZE)


TASKS = {
    "classify": ("backbone=mobilenet_v3_small", "wants.skip_strides=2"),
    "segment": ("backbone=mobilenet_v3_large", "wants.output_stride=16", "wants.tail=segmentation"),
    "detect": ("backbone=mobilenet_v2",),
}


@pytest.fixture(scope="module", params=TASKS)
def seed(request):
    """Networks of a task, and the seed with statistics that are not those of the start."""
    found = networks(request.param, *TASKS[request.param])
    learner = found.build(found.seed_plan)
    for module in learner.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return found, learner.eval()


def outputs(learner, images):
    ((_, raw),) = learner(images).items()
    return [raw] if isinstance(raw, torch.Tensor) else [raw.logits, raw.offsets]


def test_every_width_can_be_cut_without_a_change_where_its_channels_are_silent(seed):
    found, learner = seed
    plan = found.seed_plan
    images = torch.randint(256, (2, 3, *SIZE), dtype=torch.uint8)
    tried = []
    for number, width in enumerate(widths_of(plan, found.passes)):
        choices = allowed(plan, found.passes, width)
        present = {name for name, module in learner.backbone.named_modules() if isinstance(module, nn.BatchNorm2d)}
        if not choices or not present & set(norms_of(width, len(plan.blocks))):
            continue
        channels = choices[len(choices) // 2]
        outline = found.outline(narrowed(plan, width, channels))
        if number % 4 and head_shapes(outline) == head_shapes(learner):
            continue  # every width that a head reads, and some others
        silent = copy.deepcopy(learner).double()  # what is left is rounding
        narrow = found.build(narrowed(plan, width, channels)).eval().double()
        keep = torch.randperm(width.channels)[:channels].sort().values
        off = torch.ones(width.channels, dtype=torch.bool)
        off[keep] = False
        theirs = dict(narrow.named_modules())
        for name, module in silent.named_modules():  # the width's own, and a head's behind a map that it reads
            if isinstance(module, nn.BatchNorm2d) and theirs[name].weight.shape != module.weight.shape:
                with torch.no_grad():
                    module.weight[off] = 0
                    module.bias[off] = 0
        silence_excites(silent)
        narrow.load_state_dict(cut(silent.state_dict(), narrow.state_dict(), keep))
        with torch.no_grad():
            for before, after in zip(outputs(silent, images), outputs(narrow, images), strict=True):
                torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
        tried.append(head_shapes(outline) != head_shapes(learner))
    assert len(tried) > 4 and any(tried)


def head_shapes(learner):
    ((_, task),) = learner.each_task()
    return [tensor.shape for tensor in task.head.state_dict().values()]


def silence_excites(learner):
    """Squeeze-and-excites that give 0.5 whatever they see, so that it does not matter which inner channels go."""
    for name, parameter in learner.named_parameters():
        if ".excite.expand." in name:
            nn.init.zeros_(parameter)


def test_no_width_changes_where_layers_are(seed):
    found, _ = seed
    plan = found.seed_plan
    structure = structure_of(plan, found.passes)
    widths = widths_of(plan, found.passes)
    for width in widths:
        for channels in allowed(plan, found.passes, width):
            assert channels % 8 == 0 and 0 < channels < width.channels
            assert structure_of(narrowed(plan, width, channels), found.passes) == structure
    counted = [number for width in widths for number in width.expansions]
    assert sorted(counted) == list(range(len(plan.blocks)))
    assert sorted(n for width in widths for n in width.bottlenecks) == list(range(len(plan.blocks)))


def test_shortcuts_tie_bottlenecks_and_depthwise_layers_tie_their_input():
    found = networks("classify", *TASKS["classify"])
    names = [str(width) for width in widths_of(found.seed_plan, found.passes)]
    assert names[0] == "bottleneck of the stem and block 1"  # without stride it has a shortcut, and no expansion
    assert "bottleneck of blocks 4–6" in names and "expansion of block 5" in names and "last convolution" in names
    strided = networks("classify", "backbone=mobilenet_v3_small")
    names = [str(width) for width in widths_of(strided.seed_plan, strided.passes)]
    assert "bottleneck of block 1" in names


def test_the_most_important_channels_stay_in_their_order():
    assert strongest(torch.tensor([0.1, 3.0, 0.0, 2.0, 9.0]), 3).tolist() == [1, 3, 4]
    found = networks("classify", *TASKS["classify"])
    width = widths_of(found.seed_plan, found.passes)[1]
    first, second = norms_of(width, 11)
    importance = {first: torch.zeros(72), second: torch.zeros(72)}
    importance[first][5], importance[second][7] = 1.0, 2.0
    assert kept_channels(width, 2, importance, 11).tolist() == [5, 7]


def test_a_backbone_without_inverted_residuals_is_refused():
    from tasks.common.errors import UserError

    with pytest.raises(UserError, match="no chain of inverted residuals"):
        networks("classify", "backbone=mobilenet_v1")
    with pytest.raises(UserError, match="shortcut=expansion"):
        networks("classify", "backbone=mobilenet_v2", "backbone.shortcut=expansion")
