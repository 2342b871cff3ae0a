"""A service as one process, or as several that share an address."""
