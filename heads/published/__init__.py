"""The papers' segmentation and detection networks as rows: how to build each, its cost in the paper and ours."""
