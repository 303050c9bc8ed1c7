"""`python -m tasks.classify`."""

from tasks.app.cli import main

if __name__ == "__main__":
    main("classify")
