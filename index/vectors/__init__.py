"""The vectors: how the nearest images are found, derived from the catalog and rebuilt at will.

In: unit vectors under image ids, queries, masks (the ids that may be found). Out: ids and cosines,
best first, masks applied inside the search. `index.py` is the protocol that every implementation
follows and imports no library; FAISS is the first (`faiss_index.py`). What holds inside:

1. vector files are never changed once they have their names; one manifest, replaced by a rename,
   says which are current and which state of which catalog they show (`manifest.py`);
2. nothing is searched that is missing, cut, damaged or of a state that the catalog has not been in;
3. the manifest never goes back to an older state of the same history.
"""
