"""Is transfer learning worth it? Networks from scratch against frozen and fine-tuned backbones.

In comes a folder with one folder of images per category; out goes for each method of learning its
accuracy over several splits, and what it took. In each split all methods learn from the same train
images and may stop by the same validation images; test images are what they are measured on when
they are done, and take no part in anything else. Nothing is written to a store.
"""
