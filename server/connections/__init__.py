"""Connections of clients, and whether they are still there.

In: bytes of a socket, as uvicorn hands them on. Out: requests whose heads are bounded, and an end
for connections that nobody uses and for work that nobody waits for.
"""
