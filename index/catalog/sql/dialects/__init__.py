"""The databases that a catalog can live in: SQLite and PostgreSQL.

In: a URL, or the path of a file, and limits. Out: connections whose transactions hold what
`Dialect` promises, the writer's lock, and errors of the driver in words for people.
"""
