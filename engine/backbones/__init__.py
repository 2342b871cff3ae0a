"""Which networks there are, and where their weights come from.

In: a name, or the fingerprint that a catalog recorded. Out: a row of the table, a weights file held
to its hash, and the network in torch. Invariants: a fingerprint pins everything that an embedding
depends on; names are labels that may move on to other weights, and weights that were once here are
found by their fingerprint until their file is deleted.
"""
