"""Rules for lightning.Trainer's arguments, those in conf/base.yaml and those that users add, and for the loggers'."""

import re
from typing import Any

from tasks.config.rules import (
    POSITIVE,
    SWITCH,
    TEXT,
    Rules,
    either,
    is_list,
    is_whole,
    list_of,
    number,
    one_of,
    optional,
    whole,
)


def are_devices(value: Any) -> bool:
    """Whether a value chooses devices: auto, a count, -1 for all, or their numbers."""
    if isinstance(value, str):
        return value == "auto" or re.fullmatch(r"-1|[1-9]\d*|\d+(,\d+)*,?", value) is not None
    if is_list(value):
        return len(value) > 0 and all(is_whole(device) and device >= 0 for device in value)
    return is_whole(value) and (value == -1 or value >= 1)


PRECISIONS = ("32-true", "32", 32, "16-mixed", "bf16-mixed", "16-true", "bf16-true", 16, "16", "bf16")
BATCHES = either(whole(1), number(above=0, most=1))
ROUNDS = either(number(0, 1), whole(0))
RULES: Rules = {
    "trainer.max_epochs": whole(1),
    "trainer.min_epochs": whole(0, optional=True),
    "trainer.max_steps": either(one_of(-1), whole(1)),
    "trainer.min_steps": whole(0, optional=True),
    "trainer.accelerator": TEXT,
    "trainer.strategy": TEXT,
    "trainer.devices": (are_devices, "auto, a number of devices, -1 for all, or a list of their numbers"),
    "trainer.num_nodes": whole(1),
    "trainer.precision": (lambda v: v in PRECISIONS, "one of 32-true, 16-mixed, bf16-mixed, 16-true, bf16-true"),
    "trainer.accumulate_grad_batches": whole(1),
    "trainer.gradient_clip_val": optional(POSITIVE),
    "trainer.gradient_clip_algorithm": optional(one_of("norm", "value")),
    "trainer.check_val_every_n_epoch": whole(1),
    "trainer.val_check_interval": optional(BATCHES),
    "trainer.limit_train_batches": BATCHES,
    "trainer.limit_val_batches": ROUNDS,
    "trainer.limit_test_batches": optional(ROUNDS),
    "trainer.limit_predict_batches": optional(ROUNDS),
    "trainer.log_every_n_steps": whole(1),
    "trainer.num_sanity_val_steps": whole(-1),
    "trainer.deterministic": either(SWITCH, one_of("warn")),
    "trainer.benchmark": optional(SWITCH),
    "trainer.inference_mode": SWITCH,
    "trainer.sync_batchnorm": SWITCH,
    "trainer.detect_anomaly": SWITCH,
    "trainer.profiler": optional(one_of("simple", "advanced", "pytorch")),
    "trainer.default_root_dir": optional(TEXT),
}
RULES |= {
    "logger.mode": optional(one_of("online", "offline", "disabled")),
    "logger.project": TEXT,
    "logger.store": TEXT,
    "logger.tags": list_of(TEXT, least=0),
}
INSTEAD = {  # arguments that would break a run or have no effect: harmless values, and what to use instead
    "fast_dev_run": ((False, None, 0), "trainer.limit_train_batches=1 trainer.max_epochs=1"),
    "overfit_batches": ((0, None), "trainer.limit_train_batches=…, without augmentation: data.augment={}"),
    "reload_dataloaders_every_n_epochs": ((0,), "nothing: each epoch has an order of its own"),
    "barebones": ((False,), "logger=none pictures=0"),
    "max_time": ((None,), "trainer.max_epochs=… or stop_after=…, which the learning rate's schedule follows"),
    "enable_progress_bar": ((False,), "nothing: progress is shown on a terminal"),
    "enable_model_summary": ((False,), "nothing: the network is described in network.json"),
    "enable_checkpointing": ((True, None), "nothing: best.ckpt and last.ckpt are written"),
    "use_distributed_sampler": ((False,), "nothing: the batches are dealt out among processes"),
    "callbacks": ((None,), "nothing: the command has its own"),
    "logger": ((None,), "logger=csv, tensorboard, wandb, mlflow or none"),
    "plugins": ((None,), "trainer.sync_batchnorm=true or trainer.precision=…"),
}
