"""`python -m tasks.multitask`."""

from tasks.app.cli import main
from tasks.multitask.arguments import spelled_out

if __name__ == "__main__":
    main("multitask", spelled_out)
