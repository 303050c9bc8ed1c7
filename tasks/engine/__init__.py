"""Training and scoring: the LightningModule, its optimisers and callbacks, the loop around them."""
