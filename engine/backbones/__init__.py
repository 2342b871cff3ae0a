"""Which networks there are, and where their weights come from.

In: a name. Out: a row of the table, a weights file held to its hash, and the network in torch. A
fingerprint pins everything that an embedding depends on.
"""
