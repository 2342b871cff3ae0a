"""From the embeddings of a catalog to positions in a plane, in which neighbours lie side by side.

In: every visible image, in one state of catalog and index. Out: two coordinates for each, 0 to 1.
The principal components are computed when they are asked for, and forgotten; what UMAP makes of the
index's neighbours takes longer, and is a file of the store that may be deleted.
"""
