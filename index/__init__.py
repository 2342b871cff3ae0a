"""What is remembered: the SQL catalog (the only truth) and the FAISS index derived from it."""
