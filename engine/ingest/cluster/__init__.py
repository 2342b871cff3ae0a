"""Indexing by several processes: a plan becomes shards, workers embed them, a driver watches.

In comes what a run of indexing has to open; out go counts of what became of it. The ledger in the
catalog (`index/catalog/tables/shards.py`) says who works on what: a shard is stored in one
transaction that says that it is done, so whoever dies, each image is there once. Nothing but
descriptions of work goes from process to process, no picture and no embedding.
"""
