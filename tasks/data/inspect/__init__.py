"""Looks at every file and every label of a data set, and finds what would spoil training or scores."""
