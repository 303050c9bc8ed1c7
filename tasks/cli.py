"""The command line: Hydra composes the configuration, mistakes become one clear line, nothing heavy is imported."""

import difflib
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tasks.errors import Stopped, UserError

MODES = ("train", "evaluate", "predict")
CONF = Path(__file__).parent.parent / "conf"
TARGETS = ("tasks.", "heads.", "backbones.", "torch.", "torchvision.", "lightning.", "albumentations.")


def main(name: str) -> None:
    """Run `python -m tasks.<name>`: exit status 0, or 2 and one line for a mistake of the user's."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    full_error = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed by Hydra

    mistakes: list[str] = []

    @hydra.main(version_base="1.3", config_path="pkg://conf", config_name=name)
    def job(config: DictConfig) -> None:
        try:
            check(config)
            from tasks.runner import run

            run(config)
        except UserError as error:  # kept, not raised: Hydra would print a headline of its own
            mistakes.append(last_message(error))
            drop_unused(Path(HydraConfig.get().runtime.output_dir))
        except InstantiationException as error:
            if full_error or not explained(error):
                raise
            mistakes.append(explained(error))
            drop_unused(Path(HydraConfig.get().runtime.output_dir))
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            raise SystemExit(128 + stopped.number) from None

    try:
        job()
    except (HydraException, OmegaConfBaseException) as error:
        if full_error or isinstance(error, InstantiationException):
            raise
        mistakes.append(explain(error))
    for mistake in mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    if mistakes:
        sys.exit(2)


def check(config: DictConfig) -> None:
    """Refuse what can be refused before anything is imported.

    Raises:
        UserError: for a wrong mode, a missing file, or a `_target_` outside the libraries that are meant.
    """
    if config.mode not in MODES:
        raise UserError(f"mode={config.mode} is not one of {', '.join(MODES)}{suggestion(config.mode, MODES)}")
    if config.mode != "train" and config.checkpoint is None:
        raise UserError(f"mode={config.mode} needs checkpoint=<file.ckpt>")
    if config.mode == "predict" and config.input is None:
        raise UserError("mode=predict needs input=<image, folder or glob>")
    if config.resume is not None and config.mode != "train":
        raise UserError("resume=… continues a training; use checkpoint=… to evaluate or predict")
    if config.resume is not None and (config.checkpoint is not None or config.weights is not None):
        raise UserError("resume=… brings its own weights; leave out checkpoint=… and weights=…")
    for key in ("checkpoint", "resume"):
        if config[key] is not None and not Path(config[key]).is_file():
            raise UserError(f"{key}={config[key]}: no such file")
    for path, target in targets(OmegaConf.to_container(config, resolve=False)):
        if not target.startswith(TARGETS):
            raise UserError(f"{path}: {target} is outside {', '.join(prefix[:-1] for prefix in TARGETS)}")


def targets(node: object, path: str = "") -> Iterable[tuple[str, str]]:
    """All `_target_` values of a configuration with where they stand."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key == "_target_":
            yield path, str(value)
        else:
            yield from targets(value, f"{path}.{key}".lstrip("."))


def explain(error: Exception) -> str:
    """One line for a mistake that Hydra or OmegaConf found, with the nearest names."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException):
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        options = list(error.options or ())
        return (
            f"{group}={choice}: no such option{suggestion(choice, options)}; there are {', '.join(options) or 'none'}"
        )
    match = re.search(r"Could not override '([^']+)'", str(error))
    if match and isinstance(cause, OmegaConfBaseException):
        key = match[1].rpartition(".")[2] if cause.key is None else str(cause.key)
        parent = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        names = [str(name) for name in parent if name not in ("hydra", "_target_")]
        return f"{match[1]}: no such key{suggestion(key, names)}; there are {', '.join(names)}"
    if match:  # a group that does not exist: `bakbone=…`
        groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and not path.name.startswith("_"))
        return f"{match[1]}: no such group{suggestion(match[1], groups)}; there are {', '.join(groups)}"
    return " ".join(str(error).split())


def explained(error: InstantiationException) -> str:
    """The message of a ValueError or UserError that one of our constructors raised, with where; else nothing."""
    cause = error.__cause__
    if not isinstance(cause, UserError | ValueError | TypeError):
        return ""
    where = re.search(r"full_key: (\S+)", str(error))
    return f"{where[1]}: {cause}" if where else str(cause)


def suggestion(name: str, names: Iterable[str]) -> str:
    """'; did you mean …?' with the nearest names."""
    near = difflib.get_close_matches(str(name), list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def last_message(error: UserError) -> str:
    """The message itself, also where a worker process has wrapped it into its traceback."""
    text = str(error)
    if text.startswith("Caught UserError in DataLoader worker"):
        text = text.strip().splitlines()[-1].split("UserError: ", 1)[-1]
    return text


def drop_unused(folder: Path) -> None:
    """Remove the folder of a run that has written nothing but its configuration."""
    if {path.name for path in folder.glob("*")} <= {".hydra", "config.yaml"}:
        shutil.rmtree(folder, ignore_errors=True)
