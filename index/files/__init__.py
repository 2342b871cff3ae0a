"""Files as the rest of the project writes and opens them: whole or not at all, through no link.

In: paths and bytes. Out: files that a reader finds as they were or as they are now, never in
between, and the lock of a store's only writer. What holds: nothing is written through a link, and a
process that is killed leaves at most a temporary name.
"""
