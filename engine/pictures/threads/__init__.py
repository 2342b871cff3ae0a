"""Threads that read and decode images ahead of who needs them.

In: a function and items. Out: its results, in order. All threads together hold no more than a
budget of bytes; whoever reads the results waits no longer for an image than its deadline, and for
no thread that is late.
"""
