"""Hydra's sources besides the files of conf/: the conf/ folders of plug-ins, and multitask_heads."""

import os
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from tasks.common.plugins import FOLDER, OPTIONS, conf_folders
from tasks.config.heads_file import heads


class PluginFolders(SearchPathPlugin):
    """Adds the conf/ folders of plug-ins after ours: a plug-in adds options and commands, but replaces none."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        typed = os.environ.get(FOLDER)
        for folder in conf_folders():  # Hydra notes the provider in .hydra/hydra.yaml, where the run's page looks
            provider = OPTIONS[0] if typed and folder == Path(typed) else "mobilevision"
            search_path.append(provider, f"file://{folder}")


def search_plugins() -> None:
    """Register the plug-ins' conf/ folders with Hydra."""
    Plugins.instance().register(PluginFolders)


def store_heads() -> None:
    """Let Hydra find multitask_heads, with a head for each currently known task."""
    ConfigStore.instance().store("multitask_heads", heads())
