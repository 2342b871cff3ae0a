"""From folders of images to a catalog in step with them.

In: folders and a rule for labels. Out: committed rows, and a report. An image and its embedding are
committed in one transaction; whatever ends a run, what was finished before is kept. What could not
be looked at is never taken for gone.
"""
