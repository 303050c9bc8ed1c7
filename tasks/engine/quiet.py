"""Silences Lightning's warnings that do not apply here, unless log=all."""

import logging
import warnings

CHATTER = (  # warnings that do not apply here, and one about Lightning's own code
    "does not have many workers",
    "This DataLoader will create",  # counts the one core that the main thread is bound to, see tasks/common/cpu.py
    "smaller than the logging interval",
    "Checkpoint directory",
    "Experiment logs directory",
    "your dataloader is not resumable",  # it is resumable, through its sampler
    "LeafSpec",
    "in eval mode at the start of training",  # frozen modules are
    "could not find the monitored key",  # without validation there is no best
    "was called before the ``update``",  # a process may have no image of a data set
    "sync_dist",  # the metrics are already synchronised
)
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # reports of devices and callbacks


LIBRARIES = ("lightning.pytorch", "lightning.fabric", "mlflow", "alembic")  # whose reports `log=all` shows


def loud_lightning() -> None:
    """Show all that libraries report: `log=all`."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.INFO)


def quiet_lightning() -> None:
    """Turn off those reports and warnings: `log=quiet`."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    for chatter in CHATTER:
        warnings.filterwarnings("ignore", message=f".*{chatter}.*")
