"""Prunes heads: python -m tasks.multitask.prune <best.ckpt> --keep segment detect --output <new.ckpt>"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.options import Parser
from tasks.checkpoint.metadata import REINITIALIZED
from tasks.common.console import refusing, run_command
from tasks.common.errors import UserError
from tasks.config.heads import of_one_head, with_data_sets


def main() -> None:
    """Write the checkpoint; user errors are printed in one line with exit status 2."""
    parser = Parser(
        prog="python -m tasks.multitask.prune",
        description="A checkpoint with some of a multitask checkpoint's heads and the layers that they read. "
        "With one head it is one of tasks.segment, tasks.detect or tasks.classify.",
    )
    parser.add_argument("checkpoint", type=Path, help="of tasks.multitask")
    parser.add_argument("--keep", nargs="+", required=True, metavar="HEAD", help="segment, detect, classify")
    parser.add_argument("--output", type=Path, help="default: beside the checkpoint, named after the heads")
    options = parser.parse_args()
    output = options.output or options.checkpoint.with_name(f"{options.checkpoint.stem}_{'_'.join(options.keep)}.ckpt")
    with refusing():
        print(prune(options.checkpoint, options.keep, output))


def prune(path: Path, keep: Sequence[str], output: Path) -> str:
    """Write a checkpoint with fewer heads; return a message about what was kept and dropped.

    Raises:
        UserError: if the file is not a multitask checkpoint, a head is missing, nothing would be dropped, or the output
            already exists.
    """
    from tasks.checkpoint.checkpoint import load_state, open_checkpoint
    from tasks.checkpoint.saving import save
    from tasks.engine.trained import build_again

    checkpoint = open_checkpoint(path, "multitask")
    has = list(checkpoint["mobilevision"]["tasks"])
    for name in keep:
        if name not in has:
            raise UserError(f"--keep {name}: {path} has no such head, only {', '.join(has)}")
    dropped = [name for name in has if name not in keep]
    if not dropped:
        raise UserError(f"--keep {' '.join(keep)} drops nothing of {path}")
    if not output.parent.is_dir():
        raise UserError(f"{output}: no such folder as {output.parent}")
    if output.exists():
        raise UserError(f"{output} is there already; --output names another file")
    metadata, state = of_heads(checkpoint, keep)
    learner, _ = build_again(metadata, path)
    load_state(learner, {"state_dict": state, "mobilevision": {"tasks": dict.fromkeys(has)}}, path)
    kept = dict(learner.state_dict())
    save({"state_dict": kept, "mobilevision": metadata}, output)
    before, after = (sum(tensor.numel() for tensor in tensors.values()) for tensors in (state, kept))
    return f"{output}: {', '.join(metadata['tasks'])}; dropped {', '.join(dropped)}; {after:,} of {before:,} numbers"


def of_heads(checkpoint: Mapping[str, Any], keep: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and state of a checkpoint reduced to these heads, and to the data sets of a mixture that they need."""
    from backbones.domain_norm import state_of_domains

    metadata, state = checkpoint["mobilevision"], dict(checkpoint["state_dict"])
    tasks = {name: entry for name, entry in metadata["tasks"].items() if name in keep}
    needed = {name for entry in tasks.values() for name in entry.get("datasets", ())}
    config, sets = metadata["config"] | {"heads": list(tasks)}, list(metadata["config"].get("datasets") or ())
    if config.get("batchnorm") == "separate":
        state = state_of_domains(state, [sets.index(name) for name in sets if name in needed] or [0])
        config["batchnorm"] = "separate" if len(needed) > 1 else "shared"
    config = with_data_sets(config, [name for name in sets if name in needed])
    metadata = {**metadata, "config": config, "tasks": tasks, REINITIALIZED: [], "converted": False}
    return (of_one_head(metadata, *tasks) if len(tasks) == 1 else metadata), state


if __name__ == "__main__":
    run_command(main)
