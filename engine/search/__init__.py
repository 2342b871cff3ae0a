"""From embeddings to answers about what looks alike.

In: images handed in, and filters. Out: hits and groups of duplicates. Filters go into the search,
so there are `k` results wherever `k` exist.
"""
