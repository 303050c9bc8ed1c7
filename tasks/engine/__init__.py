"""Training and scoring: the LightningModule, its optimisers and callbacks, and the loop around them."""
