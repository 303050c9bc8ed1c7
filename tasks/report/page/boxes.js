// boxes
