"""python -m examples.tags plugins=[examples]"""

from tasks.app.cli import main

if __name__ == "__main__":
    main("tags")
