"""The option of `finetune` that a start from weights chooses by itself, and what is said about it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from backbones.weight_files import SUFFIX, published_file
from tasks.app.jobs import words
from tasks.app.of_checkpoint import texts_of
from tasks.common.console import report
from tasks.config.overrides import typed_keys
from tasks.config.rules.learning import FINETUNE

GROUP, CHOICE, ROUNDED = "finetune", "default", "int8"


def null_as_none(arguments: Sequence[str]) -> list[str]:
    """The arguments with finetune=none for finetune=null, also within a sweep: Hydra has no option null."""
    found = []
    for word in arguments:
        group, sign, value = word.partition("=")
        names = ["none" if name.strip() == "null" else name for name in value.split(",")]
        found.append(f"{group}{sign}{','.join(names)}" if group == GROUP else word)
    return found


def finetuned(hydra: HydraConf, config: DictConfig, typed: Sequence[str]) -> DictConfig:
    """The configuration with finetune=default if the training starts from typed weights and nothing else is chosen.

    With quantise.aware=true it is finetune=int8 instead, unless another one is typed.

    Chosen is whatever `finetune=…`, a frozen backbone, or an experiment with keys of its own says. A learning rate that
    is typed is meant as it is: finetune.lr does not lower it.

    Args:
        hydra: of the run, with what was typed.
        config: composed.
        typed: overrides on the command line.
    """
    if config.get("mode") != "train" and OmegaConf.select(config, "search.kind") != "recipe":  # whose trials train
        return config
    keys, begins = typed_keys(typed), config.get("resume") is None
    why = reason(config, keys) if begins and GROUP in hydra.runtime.choices else ""
    if OmegaConf.select(config, "quantise.aware") is True and begins and GROUP not in keys:
        config = rounded(with_option(hydra, f"{GROUP}={ROUNDED}"), keys)
    elif why and not decided(hydra, config, keys):
        config = with_option(hydra, f"{GROUP}={CHOICE}")
        report(f"{GROUP}={CHOICE}, as {why}: heads learn first, then the backbone, slower; {GROUP}=null: all alike")
    if "optimizer.lr" in keys and "finetune.lr" not in keys and config.finetune.lr != 1:
        report(f"finetune.lr=1, not {config.finetune.lr}, as optimizer.lr={config.optimizer.lr} was typed")
        config.finetune.lr = 1.0
    return config


def rounded(config: DictConfig, keys: set[str]) -> DictConfig:
    """The configuration with the few epochs of quantise.aware=true and without ema, unless they are typed."""
    if "trainer.max_epochs" not in keys:
        config.trainer.max_epochs = config.quantise.epochs
    if "ema" not in keys:
        config.ema = None
    epochs = config.trainer.max_epochs
    report(f"{GROUP}={ROUNDED}, as quantise.aware=true: finetune.lr={config.finetune.lr:g}, {epochs} epochs, no ema")
    return config


def reason(config: DictConfig, keys: set[str]) -> str:
    """Why a training is a start from weights; '' if it is none, or if an experiment says so, not the command line."""
    if "weights" in keys and config.weights is not None:
        return f"it starts from weights={config.weights}"
    path = config.checkpoint
    if "backbone.pretrained" in keys and config.backbone.get("pretrained") is True and path is None:
        return "it starts from backbone.pretrained=true"
    if "checkpoint" not in keys or not isinstance(path, str):
        return ""
    file = published_file(Path(path).expanduser())
    if file.suffix == SUFFIX:  # its data set is not told by folders, which are not published
        return f"checkpoint={path} is a published network" if texts_of(file) else ""
    return f"checkpoint={path} was trained on other data" if other_data(config, texts_of(file)) else ""


def decided(hydra: HydraConf, config: DictConfig, keys: set[str]) -> bool:
    """Whether `finetune=…` was typed, or something else says how the parts learn."""
    if GROUP in keys or hydra.runtime.choices[GROUP] is not None or config.backbone.get("frozen"):
        return True
    return any(OmegaConf.select(config, key) != value for key, value in FINETUNE.items() if key not in keys)


def other_data(config: DictConfig, texts: set[str]) -> bool:
    """Whether a checkpoint's pickle lacks the class or a path of this data set; false for a file without texts."""
    here = {text for key in ("dataset", "datasets") for text in paths_below(plain(config.get(key)))}
    return bool(texts) and not here <= texts


def plain(node: Any) -> Any:
    """A node as it is written."""
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def paths_below(node: Any, key: str = "") -> Iterator[str]:
    """Yield the class, the root and the paths in a data set's nested configuration."""
    for name, inner in node.items() if isinstance(node, dict) else ():
        yield from paths_below(inner, str(name))
    if isinstance(node, str) and (key in ("_target_", "root") or "/" in node):
        yield node


def with_option(hydra: HydraConf, word: str) -> DictConfig:
    """Compose the run's configuration once more, with one more override."""
    typed = words(hydra.overrides.task)
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration(hydra.job.config_name, [*typed, word], RunMode.RUN)
    with read_write(config), open_dict(config):
        del config["hydra"]
    return config
