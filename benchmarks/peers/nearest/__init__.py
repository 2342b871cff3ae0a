"""Libraries of nearest neighbours, one a module; each runs in a process of its own.

But for `engine`, they need nothing of the engine, and numpy and the library alone
(`requirements.txt`).
"""
