"""Decisions that all processes of a training make together."""

from lightning import Trainer

EVERY = 8  # optimiser steps between decisions, each of which waits for the slowest process and its device


def any_process(trainer: Trainer, here: bool) -> bool:
    """Whether `here` is true in any process. All must call at the same step; a single process does not communicate."""
    if trainer.world_size == 1:
        return here
    return bool(trainer.strategy.reduce_boolean_decision(here, all=False))


def time_to_ask(trainer: Trainer) -> bool:
    """Whether all processes communicate at this step; counted in steps, so it is the same in each."""
    return trainer.world_size == 1 or trainer.global_step % EVERY == 0
