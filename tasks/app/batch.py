"""Keys about the batch as typed: only trainings take them, and a learning rate that is typed is meant as it is."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tasks.common.errors import UserError
from tasks.config.batch import AUTO, BatchSettings

OF_TRAININGS = ("data.global_batch", "data.largest_batch")
INSTEAD = {  # what modes do that do not train
    "evaluate": "scores data.eval_batch_size images at once",
    "predict": "takes one image after the other",
    "export": "writes a file for export.batch images",
    "benchmark": "measures one image at a time",
}


def meant_as_typed(config: DictConfig, keys: set[str]) -> DictConfig:
    """The configuration whose optimizer.lr, if it was typed, is for the data.global_batch that was typed with it.

    In a search, which varies the rate, it is the rate that follows from data.global_batch.

    Args:
        keys: typed.
    """
    total = OmegaConf.select(config, "data.global_batch")
    if not isinstance(total, int) or isinstance(total, bool) or "optimizer.batch" in keys:
        return config
    if "optimizer.lr" in keys:
        config.optimizer.batch = total
    elif config.get("mode") == "search" and isinstance(lr := OmegaConf.select(config, "optimizer.lr"), int | float):
        plain: Any = OmegaConf.to_container(config.optimizer)
        found: Mapping[str, Any] = {"optimizer": plain, "data": {"global_batch": total}, "trainer": {}}
        config.optimizer.lr = float(lr) * BatchSettings.of(found).factor
        config.optimizer.batch = total
    return config


def check_batch(config: DictConfig, keys: set[str]) -> None:
    """Refuse typed keys about the batch that nothing reads.

    Args:
        keys: typed.

    Raises:
        UserError: for the first one, with what applies instead.
    """
    typed = {key: OmegaConf.select(config, key) for key in sorted(keys & {*OF_TRAININGS, "data.batch_size"})}
    words = [f"{key}={value}" for key, value in typed.items() if value is not None]
    words = [word for word in words if not word.startswith("data.batch_size=") or word.endswith(f"={AUTO}")]
    if not words:
        return
    mode, kind = config.get("mode"), OmegaConf.select(config, "search.kind")
    if mode in INSTEAD:
        raise UserError(f"{words[0]} is for training; mode={mode} {INSTEAD[mode]}")
    if mode == "search" and kind != "recipe":
        raise UserError(
            f"{words[0]} is for whole trainings; search={kind} trains for a few steps of data.batch_size=… images"
        )
