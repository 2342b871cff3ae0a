"""The segment: very many vectors in IVF lists of short codes, reranked by finer ones.

A plan and unit vectors come in; out comes a segment that is built once, measured, and never changed
but by masks. It finds as many images as there are, whatever its lists hold, and its recall is what
was measured when it was built.
"""
