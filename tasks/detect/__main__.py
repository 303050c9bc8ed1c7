"""`python -m tasks.detect`."""

from tasks.cli import main

if __name__ == "__main__":
    main("detect")
