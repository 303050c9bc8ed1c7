"""Tests of a GPU: `pytest -m gpu` or `make gpu`; without CUDA each is skipped.

MOBILEVISION_GPU_TESTS_ON=cpu runs the same bodies on the CPU, to see that they would pass but for the device.
"""
