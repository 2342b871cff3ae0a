"""What leaves the engine as files for other programs: arrays, tables, cells of a spreadsheet.

The catalog comes in; out go `.npy` and `.parquet` files and CSV. Nothing is written over unless
that was asked for, and a file is there whole or not at all.
"""
