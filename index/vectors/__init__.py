"""The vector index: what FAISS is asked.

In: unit vectors under image ids. Out: the nearest ids, filters applied inside the search.
Everything here is derived from the catalog and may be thrown away.
"""
