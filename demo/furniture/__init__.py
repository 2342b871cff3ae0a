"""Beds, chairs, lamps, sofas and tables, each built from a seed."""
