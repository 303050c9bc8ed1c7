"""From a configuration to objects; what cannot be built is told to the user in one line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from tasks.data.datamodule import DataModule
from tasks.data.splits import Splits
from tasks.errors import UserError, located
from tasks.learner import Learner


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Errors of what the configuration builds become one line: their root's message, with where it was built.

    Raises:
        UserError: instead of them.
    """
    try:
        yield
    except UserError:
        raise
    except (
        ValueError,
        TypeError,
        RuntimeError,
        ImportError,
        InstantiationException,
        MisconfigurationException,
    ) as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        if isinstance(root, ImportError) and "tensorboard" in str(root).lower():
            raise UserError('logger=tensorboard needs: pip install "mobilevision[tensorboard]"') from error
        message = " ".join(str(root).split()) or type(root).__name__
        raise UserError(located(message, error)) from error


def build(config: DictConfig, classes: Mapping[str, Sequence[Any]]) -> Learner:
    """Backbone, head and task as the configuration says; weights as they are initialised.

    Args:
        classes: of the data set, by kind of label.

    Raises:
        UserError: for choices that do not fit together.
    """
    with told_to_the_user():
        backbone = instantiate(config.backbone)
        make = instantiate(config.task, _partial_=True)
        task = make(features=backbone.features, head=instantiate(config.head), classes=classes[make.func.target])
        optimizer, scheduler = instantiate(config.optimizer), instantiate(config.scheduler)
        scheduler(optimizer([torch.nn.Parameter(torch.zeros(1))]), 1)  # a wrong value says so now, not in the training
        learner = Learner(backbone, [task], optimizer, scheduler)
    return learner.to(memory_format=torch.channels_last) if config.channels_last else learner


def build_data(config: DictConfig, splits: Splits) -> DataModule:
    """The data set's splits as loaders.

    Raises:
        UserError: for a transform that cannot be built.
    """
    with told_to_the_user():
        return DataModule(
            splits.train,
            splits.val,
            **instantiate(config.data, _convert_="all"),
            seed=config.seed,
        )


def make_trainer(config: DictConfig, callbacks: Sequence[Callback], logger: DictConfig | None) -> lightning.Trainer:
    """The trainer of the configuration, without what Lightning would add by itself.

    It validates at least as often as asked for, and always behind the last epoch.

    Raises:
        UserError: for what Lightning refuses: an accelerator that is not there, a missing logger, …
    """
    epochs, every = config.trainer.max_epochs, config.trainer.check_val_every_n_epoch
    with told_to_the_user():
        return instantiate(
            config.trainer,
            check_val_every_n_epoch=max(n for n in range(1, every + 1) if epochs % n == 0),
            callbacks=list(callbacks),
            logger=instantiate(logger) if logger else False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            use_distributed_sampler=False,  # our samplers deal the batches out
            _convert_="all",
        )
