"""A small furniture catalog drawn by our own code, for demos and tests.

In: a category, a seed and a size. Out: JPEG files, and what the engine makes of them. The same
three give the same pixels. Nothing is downloaded and nothing is shipped as a picture: beds, chairs,
lamps, sofas and tables are built as triangle meshes and rendered with numpy and Pillow.

* `catalog`: one image, or a folder of them.
* `tour`: what a newcomer would do with them, as `engine demo` does it.
* `furniture`: one builder per category, each from a seed to a `scene`.
* `scene`, `solids`, `room`, `backdrop`, `materials`: meshes, what they are made of, where they are.
* `render`, `camera`, `raster`, `shading`, `shadow`: from a scene to pixels.
"""
