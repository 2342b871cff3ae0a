"""The label of an image by a rule: its folder, a table, what lies beside it in an archive.

In come paths and the rule; out goes each image's label, and what could not be used of a table.
"""
