"""How the layers of a head are fitted to embeddings: L-BFGS, AdamW, the epochs, the background.

In come rows of embeddings with their categories, and options; out come layers and the history of
their training. Nothing here reads or writes a store or a file; what classifies needs none of it.
"""
