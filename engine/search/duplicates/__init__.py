"""From a catalog and its index to groups of images that are there more than once.

In: every visible image, or images handed in. Out: groups, each with the file that should stay.
Which files may go is asked of the disk as it is now, not of the catalog.
"""
