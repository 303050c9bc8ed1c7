"""`python -m tasks.search`."""

from tasks.search.command import main

if __name__ == "__main__":
    main()
