"""`python -m tasks.detect`."""

from tasks.app.cli import main

if __name__ == "__main__":
    main("detect")
