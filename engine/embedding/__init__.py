"""From pixels to embeddings, whatever executes the backbone.

In: pixels uint8 `[n, crop, crop, 3]`. Out: unit vectors and norms. One image is a batch of one, and
nothing slow happens before something is embedded.
"""
