"""`python -m tasks.segment`."""

from tasks.app.cli import main

if __name__ == "__main__":
    main("segment")
