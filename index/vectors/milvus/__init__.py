"""Vectors in Milvus: a server's collection, or a file of Milvus Lite, asked for what is near.

In: the same as for FAISS, and the catalog's `VisibleImages`. Out: the same answers. Milvus says
which images are near; what is computed with is read from the catalog. What holds inside:

1. the collection is changed in place, by one process at a time that holds the lock of shared
   vectors; its stamp says before which states it goes from and to, and after where it has come;
2. whoever answers lays over it what has changed in the catalog since the state it came from, and
   looks afterwards whether the stamp is still the one that was read;
3. pymilvus is imported when an address is first asked, and never for a store of FAISS's files.
"""
