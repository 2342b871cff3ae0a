"""A perspective camera that frames a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from demo.scene import Floats, Indices, Scene, Values, unit

FIELD_OF_VIEW = (24.0, 42.0)  # degrees
FILL = (0.72, 0.9)  # share of the picture's side that the furniture spans
OFF_CENTRE = 0.03
FRAMING_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with a square picture.

    Attributes
    ----------
    eye : ndarray of float64, shape (3,)
        Position, metres.
    axes : ndarray of float64, shape (3, 3)
        Unit rows: right, up and forward.
    focal : float
        Focal length, in picture sides.
    centre : ndarray of float64, shape (2,)
        Where the forward axis meets the picture, in picture sides from the top left. Moving
        it shifts the lens, which keeps upright edges upright.
    """

    eye: Floats
    axes: Floats
    focal: float
    centre: Floats

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project points onto the picture.

        Parameters
        ----------
        points : ndarray of float64, shape (n, 3)
            Metres.

        Returns
        -------
        tuple of ndarray of float64, shapes (n, 2) and (n,)
            Positions in picture sides from the top left, and depths in metres.
        """
        right, up, depth = self.axes @ (points - self.eye).T
        scale = self.focal / depth
        x, y = self.centre[0] + scale * right, self.centre[1] - scale * up
        return np.stack([x, y], axis=1), depth

    def rays(self, x: Indices, y: Indices, side: int) -> Values:
        """Find the directions through the middles of pixels.

        Parameters
        ----------
        x, y : ndarray of int64, shape (n,)
            Columns and rows.
        side : int
            Pixels along a side of the picture.

        Returns
        -------
        ndarray of float32, shape (3, n)
            A point at depth d lies at ``eye + d * ray``.
        """
        pixel = np.float32(1.0 / (side * self.focal))
        left, top = (self.centre / self.focal - 0.5 * pixel).astype(np.float32)
        across = x.astype(np.float32) * pixel - left
        above = top - y.astype(np.float32) * pixel
        right, up, forward = self.axes.astype(np.float32)[:, :, None]
        return np.asarray(forward + across * right + above * up)


def aim(scene: Scene, rng: np.random.Generator) -> Camera:
    """Choose a viewpoint within the scene's ranges and step back until the furniture fits.

    Parameters
    ----------
    scene : Scene
        What to look at.
    rng : numpy.random.Generator
        Chooses the side, the angles, the lens and the size in the picture.

    Returns
    -------
    Camera
        The furniture fills ``FILL`` of the picture and lies near its middle.
    """
    points = np.concatenate([part.mesh.vertices for part in scene.parts if part.framed])
    target = (points.min(axis=0) + points.max(axis=0)) / 2
    azimuth = np.radians(rng.uniform(*scene.azimuth) * rng.choice([-1, 1]))
    elevation = np.radians(rng.uniform(*scene.elevation))
    flat = np.cos(elevation)
    forward = -np.array((flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)))
    right = unit(np.cross(forward, (0.0, 1.0, 0.0)))
    axes = np.stack([right, np.cross(right, forward), forward])
    focal = 0.5 / float(np.tan(np.radians(rng.uniform(*FIELD_OF_VIEW)) / 2))
    fill = float(rng.uniform(*FILL))
    shift = rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2)
    distance = 4.0 * float(np.ptp(points, axis=0).max())
    camera = Camera(target - distance * forward, axes, focal, np.array((0.5, 0.5)))
    for _ in range(FRAMING_ROUNDS):
        xy, _depth = camera.project(points)
        span = max(float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])))
        distance *= 1.0 + 0.9 * (span / fill - 1.0)
        camera = replace(camera, eye=target - distance * forward)
    xy, _depth = camera.project(points)
    middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
    return replace(camera, centre=camera.centre + 0.5 - middle + shift)
