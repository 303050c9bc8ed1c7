"""A start from loaded weights: what learns when, and how fast, and that a resumed run learns the same."""

import itertools
import os
import re
import signal
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from tasks.common.errors import UserError
from tasks.config.rules.learning import FINETUNE
from tasks.config.stored import command_line
from tasks.config.tree import resolved, select
from tasks.engine.build import build, make_trainer
from tasks.engine.finetune import Finetune
from tasks.engine.freezing import freeze
from tasks.engine.learner import Learner
from tasks.engine.norms import AdaptStatistics, estimate_again
from tasks.engine.parameter_groups import ORDINARY, ParameterGroup, first_step, with_thaw
from tasks.engine.schedules import cosine
from tasks.engine.settings import LearnerSettings
from tasks.engine.thaw import Thaw
from tasks.engine.towards_start import TowardsStart
from tests.tasks.app.test_distributed import run as run_processes
from tests.tasks.classify.test_command import TINY, metrics, same_state
from tests.tasks.engine.test_learner import learner_of as several
from tests.tasks.engine.test_learner import mixed_batch
from tests.test_config import run_of, tree_of

SMALL = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "head.hidden=0", "head.dropout=0")
CLASSES = {"label": ["u", "v"]}
FROM = "weights=some.pth"


def learner_of(*overrides: str) -> Learner:
    torch.manual_seed(0)
    return build(LearnerSettings.of(resolved(tree_of(*SMALL, FROM, *overrides, task="classify"))), CLASSES)


def batch() -> dict:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (4, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return {"image": images, "label": torch.tensor([0, 1, 1, 0])}


def rates(learner: Learner) -> dict[str, float]:
    """The learning rate of each trained tensor."""
    names = {parameter: name for name, parameter in learner.named_parameters()}
    groups = learner.make_optimizer().param_groups
    return {names[parameter]: group["lr"] for group in groups for parameter in group["params"]}


def test_the_defaults_are_those_of_base_yaml():
    tree = tree_of("recipe=none", task="classify")
    assert {key: select(tree, key) for key in FINETUNE} == FINETUNE
    assert Finetune.of(tree) == Finetune()


def test_groups_are_stored_as_in_checkpoints_of_before():
    """Resuming compares the keys, and puts the saved groups in the place of these."""
    keys = ("optimizer.backbone=0.5", "finetune.thaw=0.25", "optimizer.towards_start=0.125")
    own = [group for group in learner_of(*keys).make_optimizer().param_groups if "share" in group]
    assert {(group["share"], group["thaw"], group["start"]) for group in own} >= {(0.5, 0.25, 0.125), (0.5, 0.25, 0.0)}
    assert ParameterGroup.of({"share": 0.5, "thaw": 0.25, "start": 0.125}) == ParameterGroup(0.5, 0.25, 0.125)
    assert ParameterGroup.of({"lr": 1.0}) == ORDINARY


def test_without_keys_of_ours_the_groups_are_those_of_before():
    groups = learner_of().make_optimizer().param_groups
    assert len(groups) == 2 and not {"share", "thaw"} & {key for group in groups for key in group}


def test_rates_by_block():
    """Blocks 0…12: the last has 0.5 × 0.1, the first 0.9 to the 12th of it; what is no block's goes with the last."""
    learner = learner_of("optimizer.lr=0.1", "optimizer.backbone=0.5", "optimizer.layer_decay=0.9")
    found = rates(learner)
    assert len(learner.backbone.blocks) == 13
    assert found["tasks.classify.head.classify.weight"] == 0.1
    for number in range(13):
        own = {rate for name, rate in found.items() if name.startswith(f"backbone.blocks.{number}.")}
        assert len(own) == 1 and own.pop() == pytest.approx(0.05 * 0.9 ** (12 - number))
    assert len(rates(learner_of())) == len(found)
    freeze(learner, ["backbone.blocks.0.0.weight"])
    assert rates(learner)["backbone.blocks.0.0.weight"] == 0.1, "what is new learns like a head"
    assert rates(learner_of("optimizer.lr=0.1", "finetune.lr=0.5"))["tasks.classify.head.classify.weight"] == 0.05


def test_an_options_decay_by_block_is_left_out_for_a_single_block():
    pytest.importorskip("timm")
    timm = ("finetune=gentle", "backbone=timm", "backbone.name=mobilenetv3_small_050")
    tree = resolved(tree_of("recipe=none", "head.hidden=0", FROM, *timm, task="classify"))
    settings = LearnerSettings.of(tree)
    learner = build(settings, CLASSES)
    assert (settings.finetune.layer_decay, learner.finetune.layer_decay, learner.finetune.backbone) == (0.85, 1.0, 0.3)
    with (
        command_line(["optimizer.layer_decay=0.85"]),
        pytest.raises(UserError, match=r"^optimizer\.layer_decay=0\.85: this backbone is a single block"),
    ):
        build(settings, CLASSES)


def test_blocks_up_to_a_map_are_never_trained():
    learner = learner_of("finetune.frozen_until=c2")
    freeze(learner)
    block, place = learner.backbone.all_taps["c2"]
    assert (block, place) == (1, "out")
    trained = {name.split(".")[2] for name in rates(learner) if name.startswith("backbone.")}
    assert trained == {str(number) for number in range(2, 13)}
    assert [module.training for module in learner.train().backbone.blocks[:4]] == [False, False, True, True]
    loss = sum(learner.losses(batch()).values())
    loss.backward()
    assert all(parameter.grad is None for parameter in learner.backbone.blocks[1].parameters())
    assert all(parameter.grad is not None for parameter in learner.backbone.blocks[2].parameters())
    with pytest.raises(UserError, match=r"^finetune\.frozen_until=c9 is not a map of this backbone; it has c1, "):
        learner_of("finetune.frozen_until=c9")


def test_statistics_that_are_kept():
    learner = learner_of("finetune.norms=keep")
    freeze(learner)
    before = {name: tensor.clone() for name, tensor in learner.backbone.state_dict().items()}
    learner.train()
    sum(learner.losses(batch()).values()).backward()
    after = learner.backbone.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert learner.backbone.blocks[0][1].weight.grad is not None, "scale and shift are trained"
    assert learner.backbone.training and learner.task("classify").training


def test_statistics_that_adapt_move_by_momentum_and_normalise_the_batch():
    learner = learner_of("finetune.norms=adapt", "backbone.norm_momentum=0.25", "finetune.frozen_until=c1")
    freeze(learner)
    callback = AdaptStatistics()
    callback.on_train_start(None, learner)
    seen, norm, frozen = [], learner.backbone.blocks[2].project[1], learner.backbone.blocks[0][1]
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    norm.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    norm.running_mean.fill_(3.0)
    learner.train()
    sum(learner.losses(batch()).values()).backward()
    x, y = seen
    mean = 0.75 * 3.0 + 0.25 * x.mean((0, 2, 3))
    variance = 0.75 + 0.25 * x.var((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    torch.testing.assert_close(y, (x - mean[:, None, None]) / (variance[:, None, None] + norm.eps).sqrt())
    assert not frozen.running_mean.any() and norm.weight.grad is not None
    learner.eval()
    learner(batch()["image"])
    torch.testing.assert_close(norm.running_mean, mean)
    callback.on_train_end()
    assert len(norm._forward_pre_hooks) == 1


def test_statistics_estimated_again_are_the_mean_of_the_batches():
    learner = learner_of("finetune.norms=reestimate")
    freeze(learner)
    learner.trainer = SimpleNamespace(world_size=1)
    norm, seen = learner.backbone.blocks[0][1], []
    norm.running_mean.fill_(7.0)
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batches = [batch(), {"image": 255 - batch()["image"]}, {"image": batch()["image"][:2]}]
    assert estimate_again(learner, batches, nullcontext()) == 10
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0))
    assert norm.momentum == 0.01 and not norm.training and len(seen) == 3


def fitted(tmp_path, learner: Learner, steps: int):
    """Train on the same batch; the weights and statistics of backbone and head before each step, and at the end."""
    learner.steps, seen = steps, []
    training_step = learner.training_step

    def note(*arguments):
        seen.append({name: tensor.clone() for name, tensor in learner.state_dict().items()})
        return training_step(*arguments)

    learner.training_step = note
    options = ["trainer.max_epochs=1", "trainer.accelerator=cpu", f"+trainer.default_root_dir={tmp_path}"]
    trainer = make_trainer(run_of(*options).trainer, [Thaw()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(learner, torch.utils.data.DataLoader([batch() for _ in range(steps)], batch_size=None))
    del learner.training_step
    return [*seen, learner.state_dict()], trainer


def moved(before, after, part: str) -> bool:
    names = [name for name in before if name.startswith(part) and name.rpartition(".")[2] in ("weight", "bias")]
    return any(not torch.equal(before[name], after[name]) for name in names)


def test_the_backbone_thaws_block_by_block(tmp_path):
    """10 steps: block 12 is trained from step 2 on, block 0 from step 8; the head always."""
    learner = learner_of("finetune.thaw=[0.2,0.8]", "optimizer.lr=0.01", "scheduler=constant", "scheduler.warmup=0")
    freeze(learner)
    states, trainer = fitted(tmp_path, learner, 10)
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        assert moved(before, after, "tasks.")
        for number in (0, 6, 12):
            assert moved(before, after, f"backbone.blocks.{number}.") == (step >= 8 - number // 2), (step, number)
    assert not torch.equal(states[0]["backbone.blocks.0.1.running_mean"], states[2]["backbone.blocks.0.1.running_mean"])
    optimizer = trainer.optimizers[0]
    first = learner.backbone.blocks[0][0].weight
    assert int(optimizer.state[first]["step"]) == 2 and not learner.idle and learner.backbone.frozen_blocks == 0


@pytest.mark.parametrize(
    ("share", "steps", "step"),
    [(0, 4, 0), (0.1, 4, 1), (0.999, 100, 99), (0.999, 4, 3), (0.5, 1, 0), (0.5, 2, 1), (0.25, 100, 25)],
)
def test_what_thaws_waits_a_step_and_is_trained_for_one(share, steps, step):
    assert first_step(share, steps) == step


def test_idle_blocks_run_without_gradients():
    learner = learner_of("finetune.thaw=0.5")
    learner.backbone.frozen_blocks = 13
    assert not any(tensor.requires_grad for tensor in learner.backbone(batch()["image"]).values())
    learner.backbone.frozen_blocks = 12
    sum(learner.losses(batch()).values()).backward()
    with_gradient = {name.split(".")[1] for name, p in learner.backbone.named_parameters() if p.grad is not None}
    assert with_gradient == {"12"}


def test_rates_rise_after_the_thaw():
    """Twenty steps, thaw at 4, five steps of rise: 1/6, 2/6, … of the schedule's rate."""
    learner = learner_of("finetune.thaw=0.2", "finetune.warmup=0.25", "optimizer.lr=1", "optimizer.backbone=0.5")
    optimizer = learner.make_optimizer()
    scheduler = with_thaw(cosine(optimizer, 20, warmup=0.0), 20, 0.25)
    plain = cosine(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 20, warmup=0.0)
    heads, backbone = [], []
    for step in range(20):
        factor = plain.lr_lambdas[0](step)
        rates = [group["lr"] for group in optimizer.param_groups]
        heads.append(rates[0] == factor)
        backbone.append(rates[-1] == pytest.approx(0.5 * factor * (0 if step < 4 else min(1, (step - 3) / 6))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()
    assert all(heads) and all(backbone)


def pulled(learner: Learner, start: torch.Tensor | None = None) -> tuple[TowardsStart, torch.optim.Optimizer]:
    """The callback at the beginning of a training, or at that of a resumed one with this start for all weights."""
    optimizer, callback = learner.make_optimizer(), TowardsStart(None if start is None else "a.ckpt")
    if start is not None:
        callback.load_state_dict({name: start.expand(weight.shape) for name, weight in learner.named_parameters()})
    callback.on_train_start(SimpleNamespace(optimizers=[optimizer]), learner)
    return callback, optimizer


def test_loaded_weights_decay_towards_their_start():
    """After k steps (1 - lr a)^k of the distance is left; what is new or never decays is not pulled."""
    keys = ("optimizer.towards_start=0.5", "optimizer.backbone=0.5", "optimizer.lr=0.1")
    learner, new = learner_of(*keys), "tasks.classify.head.classify.weight"
    freeze(learner, [new])
    learner.requires_grad_(True)
    callback, optimizer = pulled(learner)
    before = {name: weight.detach().clone() for name, weight in learner.named_parameters()}
    with torch.no_grad():
        for weight in learner.parameters():
            weight += 1
    for _ in range(3):
        callback.on_before_optimizer_step(None, learner, optimizer)
    after = {name: float((weight - before[name]).mean().detach()) for name, weight in learner.named_parameters()}
    assert after["backbone.blocks.3.expand.0.weight"] == pytest.approx((1 - 0.1 * 0.5 * 0.5) ** 3, abs=1e-5)
    assert after["backbone.blocks.0.1.weight"] == after[new] == pytest.approx(1)
    groups = {name: group for group in optimizer.param_groups for name in named(learner, group)}
    assert groups["backbone.blocks.3.expand.0.weight"]["weight_decay"] == 0
    assert groups[new]["weight_decay"] == 0.01, "optimizer=adamw's own"


def named(learner: Learner, group: dict) -> list[str]:
    names = {parameter: name for name, parameter in learner.named_parameters()}
    return [names[parameter] for parameter in group["params"]]


def test_towards_zero_it_is_adamws_decay_and_a_damaged_start_is_named():
    ours, theirs = learner_of("optimizer.towards_start=0.01"), learner_of()
    callback, mine = pulled(ours, torch.zeros(()))
    optimizer = theirs.make_optimizer()
    for learner in (ours, theirs):
        sum(learner.losses(batch()).values()).backward()
    callback.on_before_optimizer_step(None, ours, mine)
    mine.step()
    optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    with pytest.raises(UserError, match=r"^resume=a\.ckpt is damaged: its callbacks\.TowardsStart lacks"):
        TowardsStart("a.ckpt").on_train_start(SimpleNamespace(optimizers=[mine]), ours)


def test_gradients_are_not_compared_before_a_shared_layer_is_trained():
    learner = several("balance=gradnorm", "finetune.thaw=0.5", FROM)
    trainer = SimpleNamespace(world_size=1, global_step=0, accumulate_grad_batches=1)
    learner.trainer, learner.log_dict = trainer, lambda _: None
    assert [parameter.ndim for parameter in learner.shared()] == [4]
    learner.idle, learner.backbone.frozen_blocks = list(learner.backbone.parameters()), len(learner.backbone.blocks)
    assert learner.shared() == []
    learner.training_step(mixed_batch(), 0).backward()
    assert learner.balance.seen == 0 and learner.balance.weight.tolist() == [1, 1, 1]
    learner.idle, learner.backbone.frozen_blocks = [], 0
    learner.training_step(mixed_batch(), 0)
    assert learner.balance.seen == 1 and learner.balance.weight.tolist() != [1, 1, 1]


@pytest.fixture
def start(tmp_path):
    """A file of weights for the tiny network, with statistics that look trained."""
    torch.manual_seed(3)
    learner = build(run_of(*TINY, task="classify").learner, {"label": ["a", "b", "c"]})
    for _ in range(20):
        learner(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8))
    torch.save(learner.backbone.state_dict(), tmp_path / "start.pth")
    return tmp_path / "start.pth"


def test_the_best_checkpoint_has_the_statistics_that_were_estimated_again(command, folders, start, tmp_path):
    keys = ("finetune=gentle", "finetune.norms=reestimate", "trainer.max_epochs=1", "pictures=0")
    tiny = (*TINY, *keys, f"dataset.root={folders}", f"weights={start}", "trainer.check_val_every_n_epoch=1")
    result = command("classify", *tiny, f"hydra.run.dir={tmp_path / 'one'}")
    assert result.status == 0, result.err
    assert "statistics of batch norm estimated again from 12 training images" in result.out
    said = r"\nlearns    head 0\.\d+; backbone blocks 0–\d+ \S+ to \S+; batch norm: trained, statistics estimated again"
    assert re.search(said, result.out)
    best, last = (
        torch.load(tmp_path / "one" / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        for name in ("best", "last")
    )
    changed = {name.rpartition(".")[2] for name in best if not torch.equal(best[name], last[name])}
    assert changed == {"running_mean", "running_var"}
    again = (f"checkpoint={tmp_path / 'one' / 'checkpoints' / 'best.ckpt'}", f"hydra.run.dir={tmp_path / 'two'}")
    result = command("classify", "mode=evaluate", *again, "pictures=0")
    assert result.status == 0, result.err
    assert metrics(tmp_path / "one") == metrics(tmp_path / "two")


def test_two_steps_of_a_head_say_what_they_do(command, folders, start, tmp_path):
    keys = ("finetune=head", "finetune.norms=keep", "trainer.max_epochs=1", "trainer.limit_train_batches=2",
            "optimizer.backbone=0.3", "finetune.thaw=0.5")  # fmt: skip
    tiny = (*TINY, *keys, f"dataset.root={folders}", f"weights={start}", "trainer.limit_val_batches=1", "pictures=0")
    result = command("classify", *tiny, f"hydra.run.dir={tmp_path / 'out'}")
    assert result.status == 0, result.err
    assert "\nfinetune.thaw, optimizer.backbone: nothing changes by it, as the backbone is frozen\n" in result.out
    assert "\nfinetune.norms=keep changes nothing: the backbone is frozen, its statistics too\n" in result.out
    assert re.search(
        r"\nlearns    head \S+; frozen: the backbone \(\d\.\d\dM of \d\.\d\dM params\), statistics as loaded\n",
        result.out,
    )
    count = metrics(tmp_path / "out")["images"]
    assert f"scoring all {count} images (trainer.limit_val_batches holds within training only)\n" in result.out
    columns, *rows = ((tmp_path / "out" / "metrics.csv").read_text()).splitlines()
    place = columns.split(",").index("train/lr")
    assert [row.split(",")[place] for row in rows if row.split(",")[place]] and "train/lr/backbone" not in columns


def test_two_processes_learn_what_one_does(command, folders, start, tmp_path):
    """The statistics are kept and the head has none, so a batch of four is the sum of two of two."""
    keys = ("finetune=gentle", "finetune.lr=1", "finetune.thaw=[0.2,0.6]", "optimizer=sgd", "head.dropout=0")
    tiny = (*TINY, *keys, "optimizer.towards_start=0.1", f"dataset.root={folders}", f"weights={start}", "pictures=0")
    tiny = (*tiny, "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=2")
    result = command("classify", *tiny, f"hydra.run.dir={tmp_path / 'one'}")
    assert result.status == 0, result.err
    two = ("trainer.devices=2", "trainer.strategy=ddp", "data.batch_size=2", f"hydra.run.dir={tmp_path / 'two'}")
    run_processes("classify", *tiny, *two)
    one, other = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    )
    begin = torch.load(start, weights_only=True)
    assert not torch.equal(one["backbone.blocks.0.0.weight"], begin["blocks.0.0.weight"])
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6, msg=name)


def test_a_run_resumed_while_it_thaws_ends_as_if_never_stopped(command, folders, start, tmp_path, monkeypatch):
    """Three steps an epoch, twelve in all; blocks thaw at steps 2 to 5, and it stops in the middle of the second."""
    keys = ("optimizer.backbone=0.5", "optimizer.layer_decay=0.9", "finetune.thaw=[0.2,0.4]", "finetune.warmup=0.2")
    keys += ("optimizer.towards_start=0.1",)
    tiny = (*TINY, f"dataset.root={folders}", f"weights={start}", "trainer.max_epochs=4", "pictures=0", *keys)
    result = command("classify", *tiny, f"hydra.run.dir={tmp_path / 'whole'}")
    assert result.status == 0, result.err
    step, calls = Learner.training_step, []

    def step_and_kill(self, *arguments):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "training_step", step_and_kill)
        result = command("classify", *tiny, f"hydra.run.dir={tmp_path / 'half'}")
    assert result.status == 128 + signal.SIGTERM, result
    resume = f"resume={tmp_path / 'half' / 'checkpoints' / 'last.ckpt'}"
    result = command("classify", resume, f"hydra.run.dir={tmp_path / 'rest'}", "pictures=0")
    assert result.status == 0, result.err
    ends = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "rest")]
    assert same_state(*ends)
    one, two = (torch.load(end, weights_only=True)["optimizer_states"][0]["state"] for end in ends)
    assert one.keys() == two.keys() and all(torch.equal(one[n]["exp_avg"], two[n]["exp_avg"]) for n in one)
    result = command("classify", resume, "finetune.thaw=0.5", f"hydra.run.dir={tmp_path / 'no'}")
    assert result.status == 2 and "finetune.thaw: resume=… goes on with what the run was begun with" in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("finetune.thaw=1.5", r"finetune\.thaw=1\.5 is not a share of all steps, from 0 and below 1, or a list of 2"),
        ("finetune.thaw=[0.5,0.1]", r"finetune\.thaw=\[0\.5, 0\.1\] is not"),
        ("finetune.norms=freeze", r"finetune\.norms=freeze is not one of train, keep, adapt, reestimate"),
        ("optimizer.layer_decay=1.5", r"optimizer\.layer_decay=1\.5 is not a number above 0 to 1"),
        ("optimizer.backbone=0", r"optimizer\.backbone=0 is not a number above 0"),
        ("finetune.thaw=0.2 weights=null", r"finetune\.thaw=0\.2 without weights to start from"),
        (
            "finetune.norms=reestimate task.calibrate=true",
            r"finetune\.norms=reestimate changes the logits after task\.c",
        ),
        ("finetune.warmup=0.1", r"finetune\.warmup=0\.1 is for blocks that thaw: finetune\.thaw=0\.1"),
    ],
)
def test_mistakes_are_one_line(line, said):
    with pytest.raises(UserError, match=f"^{said}"):
        run_of(*SMALL, FROM, *line.split(), task="classify")
