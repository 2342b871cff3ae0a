"""Teach new categories from a folder of folders, then ask what some pictures show.

python examples/teach_and_ask.py FOLDER PICTURE...
"""

import sys

from engine import Engine

folder, *images = sys.argv[1:]
with Engine.open() as engine:
    report = engine.train(folder, head="mine")
    print(f"validation accuracy {report.validation_accuracy:.2f}")
    for answer in engine.classify(images):
        print(answer.image, answer.category or "unknown")
