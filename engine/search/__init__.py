"""From images handed in, and from the catalog itself, to answers about what looks alike.

In: paths, URLs, bytes or standard input, and filters. Out: hits and groups of duplicates. Filters
go into the search, so there are `k` results wherever `k` exist.
"""
