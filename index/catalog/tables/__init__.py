"""The catalog's tables, each as a class with verbs over its rows.

In: a `Database`, and the small values of `index/records.py`. Out: the same. What holds: each verb
is one transaction, and what belongs together (an image and its embedding) is committed together.
"""
