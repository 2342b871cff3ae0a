"""From folders of images to a catalog in step with them.

In: folders and a rule for labels. Out: committed rows. An image and its embedding are committed in
one transaction; whatever ends a run, what was finished before is kept.
"""
