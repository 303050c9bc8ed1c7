"""`python -m tasks.search`."""

from tasks.common.console import run_command
from tasks.search.command import main

if __name__ == "__main__":
    run_command(main)
