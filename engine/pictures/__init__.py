"""From a path to RGB pixels.

In: folders, files, and the bytes of images. Out: upright 8-bit RGB, and the pixels that a backbone
takes. Every file that cannot be used is an `ImageError` with a reason and a remedy. Nothing is read
or decoded beyond a limit, all threads together hold no more than a budget of bytes, and whoever
waits for an image waits no longer than its deadline. A folder is walked once, and gives the same
paths in each run.
"""
