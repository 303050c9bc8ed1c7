"""Where Hydra looks for configurations beside conf/: in the conf/ folders of plug-ins."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from tasks.common.plugins import conf_folders


class PluginFolders(SearchPathPlugin):
    """Ours come first: a plug-in adds options and commands, and replaces none."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in conf_folders():
            search_path.append("mobilevision", f"file://{folder}")


def search_plugins() -> None:
    """Let Hydra look there."""
    Plugins.instance().register(PluginFolders)
