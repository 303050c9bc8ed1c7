"""Decisions that all processes of a training take together."""

from lightning import Trainer

EVERY = 8  # optimiser steps from one question to the next: each answer waits for the slowest process and its device


def any_process(trainer: Trainer, here: bool) -> bool:
    """Whether something holds in any process; all must ask at the same step. One process alone asks nobody."""
    if trainer.world_size == 1:
        return here
    return bool(trainer.strategy.reduce_boolean_decision(here, all=False))


def time_to_ask(trainer: Trainer) -> bool:
    """Whether this is a step at which all processes ask: counted, and so the same in each."""
    return trainer.world_size == 1 or trainer.global_step % EVERY == 0
