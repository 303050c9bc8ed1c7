"""`python -m tasks.segment`."""

from tasks.cli import main

if __name__ == "__main__":
    main("segment")
