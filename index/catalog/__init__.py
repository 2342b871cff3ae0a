"""The catalog: what SQL remembers. The only truth.

In and out: the small values of `index/records.py`. An image has exactly one embedding, committed in
the same transaction; a verb's changes are all there or none is. Imports nothing of `index/vectors`.
"""
