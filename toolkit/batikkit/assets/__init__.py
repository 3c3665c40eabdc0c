"""The drop-in folder for phones: models with labels, golden vectors, a model card and code, and what verifies them."""
