"""Words as queries: from a text to a vector among the embeddings of pictures.

In: texts, the built-in categories, and heads. Out: a unit vector for each text with the categories
that it was understood as, or none where no category has a name like it. Convex combination of
semantic embeddings (ConSE: Norouzi et al., arXiv 1312.5650): an encoder of text says which
categories a text is like, and the classifier's own rows say how these look.
"""
