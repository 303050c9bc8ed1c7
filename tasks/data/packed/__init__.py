"""Data sets packed into shards: WebDataset's tar files, with an index by which any sample is found."""
