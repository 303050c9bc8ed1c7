"""search=blocks: the blocks of a network chosen by short trainings."""
