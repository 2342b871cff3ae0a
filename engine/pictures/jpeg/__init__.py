"""What JPEG files are made of, read before they are decoded.

In: the bytes of a file. Out: why it may not be decoded, or the same file with the end that is
missing. Nothing is unpacked here.
"""
