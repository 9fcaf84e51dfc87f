"""Training: data and a recipe to a run folder."""
