"""The tools that are compared, each a program of its own: `python -m benchmarks.peers.NAME JOB`.

A tool runs in its own process, so that none is slowed down or helped by what another one loaded.
"""
