"""Readers of exported files: the operators of the graph, one module for each format."""
