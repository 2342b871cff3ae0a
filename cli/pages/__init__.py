"""Pages to look at in a browser: search results, reports of heads, comparisons, the demo.

In: what the engine returned. Out: one HTML file that is complete in itself, with small copies of
pictures and drawings as parts of it; nothing in it runs, and nothing is fetched when it is opened.
Whatever a file, a label or a head is called stays text (`html`, `templates`). A file is written
whole or not at all, and takes the place of no file but a page of the engine's, unless that is asked
for.
"""
