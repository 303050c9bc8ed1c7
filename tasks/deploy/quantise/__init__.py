"""Static int8 of exported files: ranges from images, how many operators it reaches, what must stay in float."""
