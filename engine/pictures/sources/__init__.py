"""Where pictures lie: folders, object stores, the web, and archives in any of them.

In: the roots that people name. Out: a listing of image files (`FileState`), and the bytes of each.
What a root may be is one row in `table.py`: a scheme of URLs, or a kind of archive. An image is
called by its URL, or by the path of its archive as if that were a folder (`x.tar/0001.jpg`), and
`paths.py` is where such names are handled. Nothing is imported for local files. A server is asked
for a listing, for an object, or for a whole archive, never for one member of an archive; names,
sizes and offsets of others are checked, and nothing is unpacked to a disk under a name of theirs.
"""
