"""The command line: the only package that uses Hydra and all other packages."""
