"""The engine over HTTP: the same verbs, results and errors as on the command line.

Needs the extra `serve`. `server.app.create_app` makes the application of an open `Engine`; the
command `engine serve` runs it. docs/service.md says what is promised.
"""
