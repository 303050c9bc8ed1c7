"""Several tasks on one backbone: whose images a head sees, what stays frozen, which maps are computed."""

import copy
import math
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backbones.domain_norm import separate_domains
from backbones.mobilenet_v3 import MobileNetV3
from tasks.common.errors import UserError
from tasks.config.tree import resolved
from tasks.engine.build import build, make_trainer
from tasks.engine.callbacks import StartFromMean
from tasks.engine.freezing import freeze
from tasks.engine.metadata import SaveMetadata
from tasks.engine.settings import LearnerSettings
from tasks.engine.sync_norms import SyncNorms
from tests.test_config import run_of, tree_of

SMALL = (
    "recipe=none",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "segment.head.hidden=16",
    "detect.head.extras=[32]",
    "classify.head.hidden=16",
    "classify.head.dropout=0",
    "heads=[segment,detect,classify]",
)
CLASSES = {"mask": [["a", 1, [0, 0, 0]], ["b", 2, [9, 9, 9]]], "boxes": [["x", 1], ["y", 2]], "label": ["u", "v", "w"]}


def learner_of(*overrides: str):
    torch.manual_seed(0)
    return build(LearnerSettings.of(resolved(tree_of(*SMALL, *overrides, task="multitask"))), CLASSES)


def mixed_batch() -> dict:
    """Two images with masks, three with boxes, two with labels; none has anything else."""
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([4.0, 4.0, 30.0, 28.0, 1.0]).repeat(3, 1, 1)
    return {
        "image": torch.randint(0, 256, (7, 3, 64, 64), generator=generator, dtype=torch.uint8),
        "counts": (2, 3, 2),
        "rows": {"mask": torch.tensor([0, 1]), "boxes": torch.tensor([2, 3, 4]), "label": torch.tensor([5, 6])},
        "mask": torch.randint(0, 2, (2, 64, 64), generator=generator, dtype=torch.uint8),
        "boxes": boxes,
        "label": torch.tensor([0, 2]),
    }


def poisoned(batch: dict, kind: str) -> dict:
    """The batch with labels of one kind that no loss survives."""
    poison = {
        "mask": torch.full_like(batch["mask"], 200),  # no such class
        "boxes": batch["boxes"] + torch.tensor([0.0, 0, 0, 0, 99]),
        "label": torch.full_like(batch["label"], 77),
    }
    return {**batch, kind: poison[kind]}


def losses_and_gradients(learner, batch: dict, names: tuple[str, ...]) -> dict:
    learner.zero_grad()
    losses = learner.losses(batch)
    torch.stack([losses[name] for name in names]).sum().backward()
    heads = {
        f"{name}.{key}": value.grad.clone()
        for name in names
        for key, value in learner.task(name).named_parameters()
        if value.grad is not None
    }
    return {**{name: losses[name].detach() for name in names}, **heads}


@pytest.mark.parametrize(("kind", "name"), [("boxes", "detect"), ("mask", "segment"), ("label", "classify")])
def test_poisoned_labels_reach_no_other_head(kind, name, monkeypatch):
    """Labels of one kind that break its own loss leave the other heads' losses and gradients bit-equal."""
    learner, batch = learner_of(), mixed_batch()
    others = tuple(other for other in ("segment", "detect", "classify") if other != name)
    clean = losses_and_gradients(copy.deepcopy(learner), batch, others)

    task = learner.task(name)
    part = {"image": batch["image"][batch["rows"][kind]], kind: poisoned(batch, kind)[kind]}
    try:
        harmed = float(task.loss(task.head(copy.deepcopy(learner.backbone)(part["image"])), part))
    except (RuntimeError, IndexError):
        harmed = math.nan
    assert not math.isfinite(harmed), "the poison works"

    def no_loss(outputs, _batch):
        return sum(value.sum() * 0 for value in tensors(outputs)), {}

    monkeypatch.setattr(task, "loss_parts", no_loss)
    found = losses_and_gradients(learner, poisoned(batch, kind), others)
    assert clean.keys() == found.keys()
    assert all(torch.equal(clean[key], found[key]) for key in clean)


def tensors(outputs) -> list[torch.Tensor]:
    return [outputs] if isinstance(outputs, torch.Tensor) else [outputs.logits, outputs.offsets]


def test_a_head_is_shown_the_images_that_have_its_labels_and_no_others(monkeypatch):
    learner, batch = learner_of(), mixed_batch()
    seen = {}
    for name, task in learner.each_task():

        def loss(outputs, given, name=name):
            seen[name] = given["image"]
            return tensors(outputs)[0].sum(), {}

        monkeypatch.setattr(task, "loss_parts", loss)
    learner.losses(batch)
    assert all(torch.equal(seen[n], batch["image"][batch["rows"][learner.task(n).target]]) for n in seen)
    assert [len(seen[name]) for name in ("segment", "detect", "classify")] == [2, 3, 2]


@pytest.mark.parametrize("apart", [False, True])
def test_other_data_sets_images_change_nothing_where_statistics_are_apart(apart):
    """With shared statistics they do (that is what sharing means), with separate ones not by a bit."""
    learner, batch = learner_of(), mixed_batch()
    if apart:
        separate_domains(learner.backbone, 3)
    other = {**batch, "image": batch["image"].clone()}
    other["image"][2:] = 255 - other["image"][2:]
    one, two = (copy.deepcopy(learner).losses(b)["segment"].item() for b in (batch, other))
    assert (one == two) is apart


def test_a_batch_without_labels_of_a_kind_leaves_that_head_alone():
    learner, batch = learner_of(), mixed_batch()
    del batch["rows"]["boxes"], batch["boxes"]
    losses = learner.losses(batch)
    assert losses.keys() == {"segment", "classify"}
    sum(losses.values()).backward()
    assert all(weight.grad is None for weight in learner.task("detect").parameters())


def test_the_union_of_the_heads_maps_is_computed_in_one_pass(monkeypatch):
    learner = learner_of().eval()
    calls = []
    forward = learner.backbone.forward
    monkeypatch.setattr(learner.backbone, "forward", lambda *given: calls.append(1) or forward(*given))
    with torch.no_grad():
        outputs = learner(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert len(calls) == 1 and outputs.keys() == {"segment", "detect", "classify"}
    read = {name for _, task in learner.each_task() for name in task.head.maps}
    assert set(learner.backbone.features) == read


def test_frozen_parts_move_by_no_bit_and_the_rest_does():
    learner, batch = learner_of("backbone.frozen=true", "segment.frozen=true", "checkpoint=some.ckpt"), mixed_batch()
    new = [name for name in learner.state_dict() if name.startswith("backbone.blocks.5.")]
    freeze(learner, new)
    learner.train()
    before = copy.deepcopy(learner.state_dict())
    losses = learner.losses(batch)
    assert "segment" not in losses
    sum(losses.values()).backward()
    torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.1).step()
    moved = {name for name, tensor in learner.state_dict().items() if not torch.equal(tensor, before[name])}
    assert all(name.startswith(("backbone.blocks.5.", "tasks.detect.", "tasks.classify.")) for name in moved)
    for part in ("backbone.blocks.5.", "tasks.detect.", "tasks.classify."):
        assert any(name.startswith(part) for name in moved)
    assert any("running_mean" in name for name in moved)
    learner.eval().train()
    assert not learner.backbone.blocks[0].training and learner.backbone.blocks[5].training


def test_gradients_are_compared_where_all_tasks_still_share_the_layers():
    learner, batch = learner_of(), mixed_batch()
    (shared,) = learner.shared()
    for loss in learner.losses(batch).values():
        (gradient,) = torch.autograd.grad(loss, shared, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_a_network_that_keeps_statistics_apart_predicts_each_head_with_its_own():
    learner, images = learner_of().eval(), mixed_batch()["image"]
    ordinary = copy.deepcopy(learner)
    separate_domains(learner.backbone, 2)
    learner.domains = {"segment": 0, "detect": 1, "classify": 1}
    for norm in (module for module in learner.backbone.modules() if hasattr(module, "norms")):
        norm.norms[1].running_mean += 0.1
    with torch.no_grad():
        outputs, expected = learner(images), ordinary(images)
    assert torch.equal(outputs["segment"], expected["segment"])
    assert not torch.equal(outputs["classify"], expected["classify"])


def test_a_backbone_without_the_maps_says_which_head_wants_them():
    with pytest.raises(Exception, match=r"^segment: the head reads c9; this backbone has c1, "):
        learner_of("segment.head.low=c9")
    assert "c3_depthwise" in MobileNetV3(size="small").features


def test_synchronised_norms_of_what_is_frozen_stay_as_they_are():
    learner = learner_of("backbone.frozen=true", "checkpoint=some.ckpt")
    freeze(learner)
    learner = SyncNorms().apply(learner).train()
    norms = {name: m for name, m in learner.named_modules() if isinstance(m, torch.nn.SyncBatchNorm)}
    assert {norm.training for name, norm in norms.items() if name.startswith("backbone.")} == {False}
    assert {norm.training for name, norm in norms.items() if not name.startswith("backbone.")} == {True}


def test_synchronised_norms_of_timm_keep_their_activations():
    layer = pytest.importorskip("timm").layers.BatchNormAct2d(2).eval()
    network = SyncNorms().apply(torch.nn.Sequential(layer))
    assert isinstance(network[0], torch.nn.SyncBatchNorm)
    assert float(network(torch.full((1, 2, 3, 3), -5.0)).detach().min()) == 0
    trainer = make_trainer(run_of("trainer.sync_batchnorm=true", "trainer.accelerator=cpu").trainer, [])
    assert isinstance(trainer._accelerator_connector._layer_sync, SyncNorms)


def test_synchronised_norms_on_a_cpu_are_refused():
    two = ("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp")
    with pytest.raises(UserError, match="sync_batchnorm=true needs GPUs"):
        make_trainer(run_of("trainer.sync_batchnorm=true", *two).trainer, [])
    assert make_trainer(run_of(*two, "processes.timeout=3").trainer, []).strategy._timeout == timedelta(minutes=3)


def test_synchronised_norms_that_other_processes_would_wait_for():
    """On the CPU a layer sums nothing; the check comes before it would."""
    learner = SyncNorms().apply(steps_of(2)).train()
    assert float(learner.training_step(mixed_batch(), 0).detach()) > 0
    with pytest.raises(UserError, match=r"^trainer.sync_batchnorm=true: a batch of one process has no labels of detec"):
        learner.training_step(lacking(1), 0)
    learner.frozen = frozenset({"detect"})  # runs in no process
    learner.training_step(lacking(1), 0)
    learner = steps_of(2)
    separate_domains(learner.backbone, 3)  # before the layers are converted, as in a run
    learner = SyncNorms().apply(learner).train()
    batch = mixed_batch() | {"counts": (4, 3, 0)}
    with pytest.raises(UserError, match="a batch of one process has no image of a data set with statistics of its own"):
        learner.training_step(batch, 0)
    learner.trainer.world_size = 1
    learner.training_step(batch, 0)


def test_slurms_jobs_are_requeued_by_their_script(monkeypatch):
    """Lightning would write a checkpoint of its own on SIGUSR1, and call scontrol."""
    job = {"SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7"}
    for name, value in (job | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}).items():
        monkeypatch.setenv(name, value)
    trainer = make_trainer(run_of("trainer.accelerator=cpu").trainer, [])
    environment = trainer._accelerator_connector.cluster_environment
    assert type(environment).__name__ == "SLURMEnvironment" and not environment.auto_requeue


PROCESS = """
import sys
import torch
from torch.nn.parallel import DistributedDataParallel
from tests.tasks.engine.test_learner import lacking, steps_of

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
learner = steps_of(2)
wrapped = DistributedDataParallel(learner)
for _ in range(2):  # an unused parameter would fail in the second step
    learner.zero_grad()
    wrapped(lacking(rank), 0).backward()
gradients = {name: each.grad for name, each in learner.named_parameters()}
torch.save(gradients, f"{folder}/{rank}.pt")
torch.distributed.destroy_process_group()
"""


def lacking(rank: int) -> dict:
    """The batch of a process: the second one has no boxes."""
    batch = mixed_batch()
    if rank == 1:
        batch["rows"].pop("boxes")
    return batch


def steps_of(world: int):
    """A learner whose forward is its training step; norms as scored, so that batches do not mix."""
    learner = learner_of("balance=uncertainty")
    learner.eval()
    learner.forward = learner.training_step
    learner.log_dict = lambda values: None
    learner.trainer = SimpleNamespace(world_size=world, accumulate_grad_batches=1, _results=None)
    return learner


def test_a_batch_without_a_heads_labels_on_one_process(tmp_path):
    """All processes have the same gradients, which are those of one that accumulates both batches."""
    command = [sys.executable, "-c", PROCESS]
    root = Path(__file__).parents[3]
    processes = [subprocess.Popen([*command, str(rank), tmp_path], cwd=root) for rank in (0, 1)]
    assert [process.wait(120) for process in processes] == [0, 0]
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    learner = steps_of(1)
    for rank in (0, 1):
        (learner.training_step(lacking(rank), 0) / 2).backward()
    expected = {name: each.grad for name, each in learner.named_parameters()}
    assert any(name.startswith("tasks.detect") for name in expected)
    for name, gradient in expected.items():
        assert torch.equal(one[name], other[name]), name
        torch.testing.assert_close(one[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_running_statistics_are_the_mean_of_a_short_training(tmp_path):
    learner = learner_of("ema=null")
    norm = learner.backbone.blocks[0][1]
    assert isinstance(norm, torch.nn.BatchNorm2d) and norm.momentum == 0.01
    seen = []
    norm.register_forward_pre_hook(lambda norm, inputs: seen.append(inputs[0].mean((0, 2, 3))) if norm.training else 0)
    options = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "ema=null", f"trainer.default_root_dir={tmp_path}"]
    settings = run_of(*(f"+{o}" if "root" in o else o for o in options)).trainer
    trainer = make_trainer(settings, [StartFromMean()])
    batches = torch.utils.data.DataLoader([mixed_batch() for _ in range(3)], batch_size=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(learner, batches)
    assert len(seen) == 3
    torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(0))
    assert norm.momentum == 0.01 and len(norm._forward_pre_hooks) == 1, "momentum is the layer's own again"


@pytest.mark.parametrize("first", [True, False])
def test_only_the_process_that_writes_checkpoints_looks_for_the_best_threshold(first):
    """What it finds goes into the next checkpoint."""
    learner = build(run_of("recipe=none", "backbone=mobilenet_v3_small", task="detect").learner, CLASSES)
    learner.trainer = SimpleNamespace(is_global_zero=first, sanity_checking=False, limit_val_batches=1.0)
    learner.log_dict = lambda _scores: None
    metric = learner.metrics["detect"]
    metric.compute = lambda: {"mAP": 0.5, "images": 1}
    metric.judged = lambda: SimpleNamespace(best_threshold=lambda: 0.25)
    learner.on_validation_epoch_end()
    checkpoint = {}
    SaveMetadata({"task": "detect", "tasks": {"detect": {"datasets": ["a"]}}}).on_save_checkpoint(
        learner.trainer, learner, checkpoint
    )
    entry = checkpoint["mobilevision"]["tasks"]["detect"]
    assert entry["threshold"] == (0.25 if first else None) and entry["datasets"] == ["a"]
    assert learner.task("detect").output.threshold == (0.25 if first else None)
