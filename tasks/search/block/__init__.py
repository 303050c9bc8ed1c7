"""search=blocks: chooses the blocks of a network by short trainings."""
