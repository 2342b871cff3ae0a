"""Labelled images, as what is learned from them sees them.

In: a folder per label, or the labels of the catalog. Out: `Examples` (content, path, label and
embeddings of each image) and their splits into train, validation and test. What will not do to
learn from is refused before anything is embedded; each image is in one part of a split, and copies
of it, exact or nearly so, are in the same one.
"""
