"""What is remembered: the SQL catalog, the only truth, and the index of vectors derived from it.

In: facts and embeddings of images, heads, questions. Out: rows, nearest ids, masks. Inside hold:
the catalog (`catalog/`) and the vectors (`vectors/`) know nothing of each other, `sync.py` joins
them; nothing here computes an embedding, and nothing but the catalog is ever lost for good.
"""
