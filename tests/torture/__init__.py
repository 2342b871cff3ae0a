"""Attacks on a store, on pictures and on the doors: killed, flipped, cut, starved, lied to.

    python -m tests.torture --minutes 30 --seed 1      (`make torture`)

Every case runs in a process of its own, forked from one that has imported everything and done
nothing, so that a crash or a hang is the case's own and is counted. Cases are numbered and drawn
from a seed: a number is enough to repeat one (`--only damage --case 17`). A case ends in one of

    survived      the answers are those of an untouched store
    noticed       an error, a skip or a line said what was wrong, and no answer was wrong
    missed        an image was not found, as docs/reliability.md says may be
    wrong         an answer that is not true, or a file that was changed which is none of ours
    crash         the process ended by a signal that nobody sent
    hang          it had not ended after ten seconds
    unexplained   an exception that is no `EngineError`

and the last four fail the run. The backbone is the fake one: this is about storage and doors.
Only `weights` takes the smallest real one, and where a network must be prepared for this machine it
has a minute: that takes seconds of an idle one.

Strangers bring `pictures`, `heads`, `weights` and `tables`, and the servers of `urls`; disks do
`damage`, to weights that are kept and to what was prepared of them, too; `kills`, `limits`,
`restores`, `processes` and `threads` are what happens to a store.
"""
