"""From labelled images to heads, fine-tuned backbones and honest figures.

In: a folder per category, or the labels of the catalog. Out: what was learned, and a report. What
is reported was measured on images that took no part in what was fitted, chosen or calibrated.
"""
