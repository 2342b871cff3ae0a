"""What an engine holds open between its verbs, for any number of threads of one process.

A configuration comes in; out go the catalog, the embedder, the heads, and the index in step with
the catalog. Each opens when it is first asked for, and nothing heavy is imported before. What was
handed out stays as it is: an index is exchanged for another, never changed.
"""
