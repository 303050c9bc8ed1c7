"""Files of the configuration: ours, and those of plug-ins and of `--config-dir`."""

from pathlib import Path

from tasks.common.plugins import conf_folders
from tasks.config.heads_file import CONF

CHOSEN = ("recipe", "experiment", "scale", "finetune")  # groups whose files set keys of other groups


def file_of(config_path: str) -> Path | None:
    """The file of a configuration of Hydra's, or None for those that no file has."""
    for folder in (CONF, *conf_folders()):
        if (path := folder / f"{config_path}.yaml").is_file():
            return path
    return None
