"""The command line: Hydra composes the configuration, user errors become one clear line, imports stay light."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tasks.app.added_keys import check_added
from tasks.app.auto import recognised
from tasks.app.batch import check_batch, meant_as_typed
from tasks.app.early import tell
from tasks.app.finetune import finetuned, null_as_none
from tasks.app.folders import drop_empty, writes
from tasks.app.foreign_keys import check_words
from tasks.app.generated import check_generated
from tasks.app.interpolations import register
from tasks.app.jobs import Jobs, in_sweep, lost_job, words
from tasks.app.messages import MISTAKES, explain, explain_run, how_to_resume
from tasks.app.of_checkpoint import implied_data_set
from tasks.app.own_networks import without_foreign
from tasks.app.print_keys import OPTION as KEYS
from tasks.app.print_keys import print_keys
from tasks.app.resolve import Settings, resolve
from tasks.app.runlog import NAME as RUN_LOG
from tasks.app.runlog import run_log
from tasks.app.search_path import search_plugins
from tasks.app.validate import (
    check_choices,
    check_experiment,
    check_own_options,
    check_scale,
    check_sections,
    check_sweep,
    check_typed,
    idle_in_experiment,
    renamed_arguments,
)
from tasks.app.watch import watched
from tasks.common.console import end_children, report, run_command
from tasks.common.errors import Stopped, UserError, visible
from tasks.common.plugins import conf_folders, take_from, without_folder
from tasks.common.ranks import check_launched
from tasks.config.heads_file import CONF
from tasks.config.overrides import typed_keys
from tasks.config.recipes import OWN
from tasks.config.stored import command_line
from tasks.config.top_keys import keys_of
from tasks.predict.address import without_login
from tasks.search.database import without_password

SWEEP = {"-m", "--multirun"}


def main(name: str, spelled_out: Callable[[Sequence[str]], list[str]] = list) -> None:
    """Run `python -m tasks.<name>`: exit status 0; or one line and 2 for a user error, 3 for a diverged loss,
    4 if another process of the run has ended.

    Args:
        spelled_out: rewrites arguments that Hydra does not know into Hydra's syntax.
    """
    run_command(partial(Command(name).run, spelled_out))


class Command:
    """One `python -m tasks.<name>`, inside run_command().

    Attributes:
        mistakes: user errors, a line each.
        statuses: exit statuses of failed jobs.
        composed: whether Hydra has composed the configuration.
        implied: arguments that were not typed, but follow from the checkpoint.
        jobs: of `-m`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.full_error = os.environ.get("HYDRA_FULL_ERROR") == "1" or "traceback=true" in sys.argv
        self.mistakes: list[str] = []
        self.statuses: set[int] = set()
        self.composed = False
        self.implied: list[str] = []
        self.jobs = Jobs()

    def run(self, spelled_out: Callable[[Sequence[str]], list[str]]) -> None:
        """Run the jobs that the command line asks for; see main()."""
        os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed by Hydra
        try:
            check_launched()
            if KEYS in sys.argv[1:]:
                print_keys(self.name, sys.argv[1:], lambda words: prepared(self.name, words, spelled_out))
                return
            sys.argv[1:] = prepared(self.name, sys.argv[1:], spelled_out)
            if SWEEP & set(sys.argv[1:]):
                check_sweep(sys.argv[1:])
            self.jobs.typed = sys.argv[1:]
            self.implied = implied_data_set(sys.argv[1:], (CONF, *conf_folders()))
            sys.argv[1:] = [*sys.argv[1:], *self.implied]
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=self.name)(self.job)()
        except UserError as error:
            self.mistakes.append(str(error))
        except BrokenPipeError:
            raise
        except (HydraException, OmegaConfBaseException, OSError) as error:
            if self.full_error or isinstance(error, InstantiationException):
                raise
            self.mistakes.append(explain(error, sys.argv[1:]))
        except ValueError as error:
            if self.composed or self.full_error:
                raise
            self.mistakes.append(str(error))  # how Hydra refuses `optimizer=null`
        except Exception as error:
            if not (lost := lost_job(error)):
                raise
            self.mistakes.append(lost)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        self.end()

    def job(self, config: DictConfig) -> None:
        """Called by Hydra for each job."""
        self.composed = True
        if in_sweep():
            self.jobs.run(partial(self.attempt, config))
        elif mistake := self.attempt(config):
            self.mistakes.append(mistake)

    def attempt(self, config: DictConfig) -> str:
        """Do a job; returns the user error instead of raising it, because Hydra would add its own headline."""
        folder, begin = Path(HydraConfig.get().runtime.output_dir), time.time()
        with run_log(folder, keep=writes(config)) as log:
            try:
                with watched(config, folder, log):
                    self.work(config, folder)
            except BrokenPipeError:
                raise
            except MISTAKES as error:
                message = explain_run(error, config)
                if self.full_error or not message:
                    raise
                message = visible(message + how_to_resume(config, folder, error, begin))
                log(f"error: {message}")
                self.statuses.add(error.status if isinstance(error, UserError) else 2)
                drop_unused(folder)
                return message
            except Stopped as stopped:
                if writes(config):
                    print(stopped, file=sys.stderr)
                raise SystemExit(128 + stopped.number) from None
            finally:
                end_children()
        return ""

    def work(self, config: DictConfig, folder: Path) -> None:
        """Check what was typed, then do what the mode says."""
        typed = [word for word in HydraConfig.get().overrides.task if word not in self.implied]
        with command_line(typed):
            check_composed(config, typed, self.implied)
            if line := fallback(HydraConfig.get().runtime.choices, config, typed):
                report(line)
            check_batch(config, typed_keys(typed))
            config = meant_as_typed(finetuned(HydraConfig.get(), config, typed), typed_keys(typed))
            hydra, keys = HydraConfig.get(), typed_keys(typed)
            for line in without_foreign(self.name, words(hydra.overrides.task), hydra.runtime.choices, config, keys):
                report(line)
            for line in renamed_arguments(config, typed_keys(typed)):
                report(line)
            settings = resolve(self.name, config, folder)
            check_typed(settings.run.stored, typed_keys(typed), in_sweep())
            for line in idle_in_experiment(str(hydra.runtime.choices.get("experiment")), settings.run.stored):
                report(line)
            self.do(settings, typed, folder)

    def do(self, settings: Settings, _typed: list[str], folder: Path) -> None:
        """Do what the settings say."""
        from tasks.app.runner import run

        run(settings, _typed, folder)

    def end(self) -> None:
        """Print the user errors, and leave with their exit status."""
        if self.jobs.failed:
            self.mistakes.append(self.jobs.summary())
        for mistake in self.mistakes:
            print(f"error: {visible(mistake)}", file=sys.stderr, flush=True)
        if self.mistakes:
            if not self.composed:
                tell(self.mistakes[0], sys.argv[1:])
            sys.exit(1 if self.jobs.faults else self.statuses.pop() if len(self.statuses) == 1 else 2)


def prepared(name: str, arguments: Sequence[str], spelled_out: Callable[[Sequence[str]], list[str]]) -> list[str]:
    """The arguments of a command as Hydra takes them; plugins are registered.

    Raises:
        UserError: for what can be refused by the words alone.
    """
    take_from(arguments)
    words = without_password(without_login(without_folder(arguments)))
    search_plugins()
    register()
    check_words(words, keys_of(name))
    words = null_as_none(recognised(name, words))
    check_choices(words, (CONF, *conf_folders()))
    check_own_options(conf_folders())
    check_experiment(name, words)
    check_scale(name, words)
    return sweep_first(spelled_out(words))


def sweep_first(words: Sequence[str]) -> list[str]:
    """The arguments with `-m` in front: behind other ones, argparse takes those that follow it for unknown."""
    return sorted(words, key=lambda word: word not in SWEEP)


def check_composed(config: DictConfig, typed: Sequence[str], implied: Sequence[str] = ()) -> None:
    """Check what Hydra has composed before it is resolved.

    Args:
        typed: overrides on the command line.
        implied: what follows from a checkpoint.

    Raises:
        UserError: for keys that are nobody's, sections of the wrong kind, and scenes that nobody asked for.
    """
    check_added(HydraConfig.get(), config, (CONF, *conf_folders()))
    check_sections(config)
    check_generated(config, typed, implied)


def fallback(choices: Any, config: DictConfig, typed: Sequence[str]) -> str:
    """A line that names the recipe of a training if it is the one for all data sets without their own; else ''."""
    recipe = str(choices.get("recipe"))
    chosen = any(word.startswith(("recipe=", "resume=")) for word in typed)
    return f"recipe={recipe}" if config.mode == "train" and recipe.endswith(f"_{OWN}") and not chosen else ""


def drop_unused(folder: Path) -> None:
    """Remove the folder of a run that has written only its configuration and log."""
    if {path.name for path in folder.glob("*")} <= {".hydra", "config.yaml", RUN_LOG}:
        shutil.rmtree(folder, ignore_errors=True)
        drop_empty(folder)
