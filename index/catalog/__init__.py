"""The catalog: what SQL remembers. The only truth.

In: images with their embeddings and predictions, heads, views, and `--where` clauses. Out: the
small values of `index/records.py`. What holds: an image has exactly one embedding, committed in the
same transaction; every embedding was made by the backbone that the settings name; a verb's changes
are all there or none is; a reader sees one state to its end. `catalog.py` is the whole, `tables/`
are its parts, `sql/` is the database below them.
"""
