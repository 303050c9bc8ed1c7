"""`python -m backbones`, see backbones/command.py; with `--weights`, the list of published weights."""

import sys

from backbones.terminal import run_printing


def main() -> int:
    """Run the command; the list of weights, which needs no PyTorch, does not import it."""
    if "--weights" in sys.argv[1:]:
        from backbones.weights_table import main as run
    else:
        from backbones.command import main as run
    return run()


if __name__ == "__main__":
    sys.exit(run_printing(main))
