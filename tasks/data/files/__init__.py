"""Files: decoding photos and label maps, parsing annotations."""
