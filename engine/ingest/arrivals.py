"""Pictures that are to become files: whether they can be used, and how such files are called."""

from __future__ import annotations

from contextlib import closing

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.pictures.formats import identify
from engine.pictures.threads.prefetch import prefetch


def extension_for(data: bytes, name: str, embedder: Embedder) -> str:
    """Return the usual extension of a picture, such as `jpg`, if it can be indexed.

    It is decoded within the bounds of memory and time that every image is.

    Parameters
    ----------
    data
        The content of the file that it is to be.
    name
        What to call it in an error.

    Raises
    ------
    ImageError
        It cannot be used.
    """

    def looked(_: None) -> ImageError | None:
        try:
            embedder.memory.turn(name, lambda reserve: embedder.image(data, name, reserve))
        except ImageError as error:
            return error
        return None

    # A thread of its own may be left where it takes too long.
    with closing(prefetch(looked, [None], workers=1, window=1)) as threads:
        if error := next(threads):
            raise error
    kind = identify(data, name)
    assert kind is not None
    return kind.extensions[0]
