"""From groups of duplicates to files that lie elsewhere, and back.

In: groups whose files may go, and a folder for them; or the manifest of an earlier move. Out: files
that were moved or put back, and why others were not. What holds: nothing is deleted or written
over; a file is in the manifest, on the disk, before it is touched; so whenever a process ends, and
however often, the manifest puts every file back where it was.
"""
