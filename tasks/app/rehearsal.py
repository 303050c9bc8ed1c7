"""Composes a command's configuration and opens its data once, before a comparison starts processes that do the same."""

from collections.abc import Callable, Sequence

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from tasks.app.cli import check_composed, prepared
from tasks.app.dataset import open_dataset
from tasks.app.interpolations import conf_folder
from tasks.app.messages import MISTAKES, explain, explain_run
from tasks.app.own_networks import drop_foreign
from tasks.app.resolve import resolve
from tasks.app.validate import check_typed
from tasks.common.errors import UserError
from tasks.config.heads import is_multitask
from tasks.config.overrides import typed_keys


def rehearse(task: str, overrides: Sequence[str], spelled_out: Callable[[Sequence[str]], list[str]] = list) -> None:
    """Do what `python -m tasks.<task>` does before it imports torch, without looking through every file.

    Args:
        overrides: of the training.
        spelled_out: as in tasks.app.cli.main.

    Raises:
        UserError: for what the command would refuse.
    """
    words = prepared(task, overrides, spelled_out)
    try:
        with conf_folder():
            config = compose(task, words, return_hydra_config=True)
            drop_foreign(task, words, config)  # the training says so
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from None
    config.hydra.runtime.output_dir = "."
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    try:
        check_composed(config, words)
        settings = resolve(task, config, ".")
        check_typed(settings.run.stored, typed_keys(words))
        run = settings.run
        if run.source.checkpoint is None or not is_multitask(run.stored):  # whose heads are the file's
            open_dataset(run, settings, first=False)
    except MISTAKES as error:
        message = explain_run(error, config)
        if not message:
            raise
        raise UserError(message) from None
