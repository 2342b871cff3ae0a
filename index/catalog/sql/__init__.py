"""The catalog's database: its tables, their migrations, and what differs between its kinds.

In: a URL or the path of a file. Out: transactions that hold one state, and statements over many
rows. What holds: a transaction happens whole or not at all, and there is one writer. It is the same
on SQLite and on PostgreSQL: only `dialects/` knows which of them there is.
"""
