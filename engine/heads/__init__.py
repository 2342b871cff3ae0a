"""Dense layers on embeddings: the built-in thousand categories, and those that people add."""
