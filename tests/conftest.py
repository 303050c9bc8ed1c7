"""Shared by all tests: one thread (the tests' tensors are tiny), and data sets written in their official layouts."""

import os

import torch

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
torch.set_num_threads(1)
