"""From a path, URL or bytes to RGB pixels.

In: what people name. Out: upright 8-bit RGB, and the pixels that a backbone takes. Every file that
cannot be used is an `ImageError` with a reason and a remedy, and nothing is read without a limit.
"""
