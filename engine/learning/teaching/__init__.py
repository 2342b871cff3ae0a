"""Teaching by asking well: which pictures a person should judge next, and what that comes to.

In: a category, and ids of images that were judged to show it or not. Out: a `Lesson`. What holds:
nothing is written and no state is kept but the catalog's embeddings, read once; the same question
to the same catalog has the same answer. `JudgementCollection` remembers answers in the catalog.
"""
