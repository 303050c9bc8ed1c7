"""The doctor: looks at every file of a data set before anything is trained on it."""
