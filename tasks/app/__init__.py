"""The command line: the only room that knows Hydra and all other rooms."""
