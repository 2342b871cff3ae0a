"""Model selection: by which options, and from how many views, a head is best trained.

In: examples, splits, options and a deadline. Out: the options for the trial of each split and for
the final head, and why. No selection sees the test images of the split that it is for.
"""
