"""Which option of `finetune` a start from weights chooses, and who decides over it."""

import pytest
import torch

from tasks.app.cli import Command
from tasks.app.finetune import null_as_none
from tasks.checkpoint.published import published_bytes


@pytest.fixture
def chosen(command, monkeypatch, tmp_path):
    """The settings that a command line comes to, and what it says."""
    found = []
    monkeypatch.setattr(Command, "do", lambda _self, settings, _typed, _folder: found.append(settings.run.learner))

    def run(*arguments: str, task: str = "classify"):
        result = command(task, *arguments, f"hydra.run.dir={tmp_path / 'run'}", "overwrite=true")
        assert result.status == 0, result.err
        return found.pop(), result.out

    return run


WEIGHTS = "weights=MobileNet_V2_Weights.IMAGENET1K_V1"


def test_weights_choose_the_default_and_say_so(chosen):
    learner, said = chosen(WEIGHTS)
    assert (learner.finetune.backbone, learner.finetune.lr, learner.finetune.thaw) == (0.25, 0.5, (0.1, 0.1))
    line = f"finetune=default, as it starts from {WEIGHTS}: heads learn first, then the backbone, slower; "
    assert f"{line}finetune=null: all alike" in said.splitlines()
    learner, said = chosen(WEIGHTS, "finetune.thaw=0.3", "optimizer.backbone=0.1", task="segment")
    assert (learner.finetune.backbone, learner.finetune.thaw) == (0.1, (0.3, 0.3)), "what is typed comes on top"


def test_the_trials_of_a_search_begin_as_the_training_would(chosen):
    pytest.importorskip("optuna")
    learner, said = chosen("search=recipe", "task=classify", WEIGHTS, "optimizer.lr=0.001", task="search")
    assert (learner.finetune.backbone, learner.finetune.lr) == (0.25, 1) and "finetune=default, as it starts" in said


def test_a_pretrained_backbone_chooses_the_default_as_well(chosen):
    words = ("backbone=timm", "backbone.name=mobilenetv3_small_050")
    learner, said = chosen(*words, "backbone.pretrained=true")
    assert learner.finetune.backbone == 0.25
    assert "finetune=default, as it starts from backbone.pretrained=true: heads learn first" in said
    assert "finetune=" not in chosen(*words)[1]


@pytest.mark.parametrize(
    "words",
    [
        ("finetune=null", WEIGHTS),
        ("backbone.frozen=true", WEIGHTS),
        (),
        ("mode=evaluate", WEIGHTS, "experiment=detect_coco_torchvision"),
    ],
)
def test_it_is_not_chosen(chosen, words):
    learner, said = chosen(*words, task="detect")
    assert "finetune=default" not in said
    assert (learner.finetune.backbone, learner.finetune.lr, learner.finetune.thaw) == (1, 1, (0, 0))


def test_null_is_an_option_of_its_own_also_in_a_sweep():
    assert null_as_none(["finetune=null,head", "x=null", "-m"]) == ["finetune=none,head", "x=null", "-m"]


def test_what_is_typed_is_what_is_taken(chosen):
    learner, said = chosen(WEIGHTS, "finetune=gentle")
    assert (learner.finetune.norms, learner.finetune.lr, learner.frozen) == ("keep", 0.125, False)
    assert "finetune=" not in said
    learner, _ = chosen(WEIGHTS, "finetune=head", task="multitask")
    assert learner.frozen
    learner, said = chosen(WEIGHTS, "finetune=gentle", "optimizer.lr=0.01")
    assert learner.finetune.lr == 1 and "finetune.lr=1, not 0.125, as optimizer.lr=0.01 was typed" in said
    learner, _ = chosen(WEIGHTS, "optimizer.lr=0.01", "finetune.lr=0.1")
    assert learner.finetune.lr == 0.1


def test_a_checkpoint_of_other_data_chooses_it_as_well(chosen, tmp_path):
    """A checkpoint's data is known by the texts in its pickle, before torch is imported."""
    path = tmp_path / "best.ckpt"
    here = {"_target_": "tasks.data.datasets.folders.Folders", "root": "/here", "train_split": "train"}
    torch.save({"mobilevision": {"config": {"dataset": here, "val": "val"}}}, path)
    words = ("dataset=folders", f"checkpoint={path}")
    path_said = f"finetune=default, as checkpoint={path} was trained on other data"
    assert path_said in chosen(*words, "dataset.root=/there")[1]
    assert "finetune=default" not in chosen(*words, "dataset.root=/here")[1]
    path.write_bytes(b"")
    assert "finetune=default" not in chosen(*words, "dataset.root=/there")[1], "reading the file says what is wrong"


def test_a_published_network_chooses_it_as_folder_and_as_file(chosen, tmp_path):
    config = {"mobilevision": {"config": {"dataset": {"_target_": "tasks.data.datasets.folders.Folders"}}}}
    file = tmp_path / "model.safetensors"
    file.write_bytes(published_bytes(config["mobilevision"], {"a": torch.zeros(1)}))
    for path in (tmp_path, file):
        line = f"finetune=default, as checkpoint={path} is a published network: heads"
        assert line in chosen("dataset=folders", f"checkpoint={path}")[1]


def test_a_reference_recipe_is_trained_as_it_is_written(chosen):
    weights = "weights=MobileNet_V3_Large_Weights.IMAGENET1K_V1"
    learner, said = chosen("experiment=segment_voc_torchvision", weights, task="segment")
    assert "finetune=" not in said
    assert (learner.finetune.backbone, learner.finetune.lr, learner.finetune.thaw) == (1, 1, (0, 0))


def test_a_command_that_is_typed_again_to_resume_says_the_same(chosen, tmp_path):
    learner, _ = chosen("finetune=gentle", "optimizer.lr=0.01", WEIGHTS)
    assert learner.finetune.lr == 1
    (tmp_path / "last.ckpt").touch()
    learner, _ = chosen("finetune=gentle", "optimizer.lr=0.01", f"resume={tmp_path / 'last.ckpt'}")
    assert learner.finetune.lr == 1, "or it would be refused: the run was begun with 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("finetune=default",), "finetune=default without weights to start from: weights="),
        (("finetune=strong", WEIGHTS), "finetune=strong: no such option"),
        (("finetune=head", "resume=null"), "finetune=head without weights to start from"),
    ],
)
def test_mistakes(command, words, said, tmp_path):
    result = command("classify", *words, f"hydra.run.dir={tmp_path}")
    assert result.status == 2 and f"error: {said}" in result.err, result.err
