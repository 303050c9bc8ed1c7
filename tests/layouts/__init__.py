"""Writers of data sets in the layouts that people have: one set of images with its truth, in many forms."""
