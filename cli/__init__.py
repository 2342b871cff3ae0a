"""What a person touches: the command `engine`.

In: a command line. Out: the answer on stdout, the conversation on stderr, and an exit code; pages
where they are asked for. Only this package prints and exits. Starting costs little: each command
imports what it needs when it runs, and `--help` nothing of it.

* `main`: the table of commands, and what becomes of errors; `commands`: a file for each.
* `options`: what several commands take, and the engine that they make of it.
* `render`, `progress`: tables, JSON, CSV, announcements and bars.
* `pages`: what is looked at in a browser.
"""
