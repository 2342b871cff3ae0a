"""Find the pictures in a folder that look most like one picture.

python examples/search_folder.py FOLDER PICTURE
"""

import sys

from engine import Engine

folder, image = sys.argv[1:]
with Engine.open() as engine:
    engine.index([folder])
    for hit in engine.search(image, k=5):
        print(f"{hit.score:.3f}  {hit.path}")
