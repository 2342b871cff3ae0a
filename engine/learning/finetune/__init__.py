"""Fine-tuning: training a backbone's last blocks on labelled images.

In comes a folder with one folder of images per category, and the backbone as it is; out goes a
weights file that is a backbone of its own. Blocks below the first trained one stay the same to the
last bit. Train images are learned from, validation images choose the epoch, test images are only
measured on. A run that is resumed from its checkpoint ends with the same weights as one that was
never interrupted. Everything below imports torch, but for `options`.
"""
