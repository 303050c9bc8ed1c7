"""`python -m tasks.multilabel`."""

from tasks.app.cli import main

if __name__ == "__main__":
    main("multilabel")
