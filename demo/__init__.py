"""A small furniture catalog drawn by our own code, for demos and tests.

Nothing is downloaded and nothing is shipped as a picture: beds, chairs, lamps, sofas and
tables are built as triangle meshes from a seed and rendered with numpy and Pillow. The
modules are imported on demand, so importing this package costs nothing:

* :mod:`demo.catalog` - ``draw`` one picture, ``draw_catalog`` a folder of them.
* :mod:`demo.scene` - meshes, materials and the scene they make up.
* :mod:`demo.furniture.builders` - one builder per category.
* :mod:`demo.render` - camera, lighting and the finished picture.
"""
