"""Silences Lightning warnings that do not apply here."""

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


def quiet_lightning() -> None:
    """Turn off those warnings."""
    for chatter in CHATTER:
        warnings.filterwarnings("ignore", message=f".*{chatter}.*")
