"""Shared by all packages of tasks: the interfaces of a task and its output, errors, the terminal."""
