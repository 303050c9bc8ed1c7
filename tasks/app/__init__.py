"""The command line: composes configurations with Hydra and may import all other packages of tasks/.

tasks/engine uses Hydra too, to instantiate objects (instantiate.py) and to catch its errors (build.py);
tasks/common/plugins.py finds the plug-ins whose conf/ folders Hydra searches.
"""
