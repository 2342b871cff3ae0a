"""What one writes in an afternoon: FastAPI, a network of torch, an exact FAISS index.

python -m benchmarks.peers.usual_service FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import faiss
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

from engine.backbones.networks import load
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.config import cache_folder
from engine.pictures.resize import by_pillow


def main() -> None:
    """Index a folder, then serve searches on a free port."""
    backbone = backbone_named("efficientnet_lite0")
    weights = WeightsCache(cache_folder()).find(backbone)
    if weights is None:
        raise SystemExit(f"the weights of {backbone.name} are not here")
    network = load(backbone, weights.path).module.eval()

    def embedded(image: Image.Image) -> np.ndarray:
        pixels = backbone.preprocessing.pixels(image.convert("RGB"), by_pillow)
        with torch.inference_mode():
            vector = network(torch.from_numpy(pixels[None])).numpy()
        return vector / np.linalg.norm(vector, axis=1, keepdims=True)

    paths = sorted(str(path) for path in Path(sys.argv[1]).rglob("*.jpg"))
    index = faiss.IndexFlatIP(backbone.dim)
    # To index is not measured, and on a busy machine several threads wait for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for path in paths:
        index.add(embedded(Image.open(path)))
    torch.set_num_threads(threads)
    app = FastAPI()

    @app.post("/v1/search")
    async def search(request: Request, k: int = 10) -> list[dict[str, object]]:
        image = Image.open(io.BytesIO(await request.body()))
        scores, rows = index.search(embedded(image), k)
        return [
            {"path": paths[row], "score": float(score)}
            for score, row in zip(scores[0], rows[0], strict=True)
        ]

    config = uvicorn.Config(app, port=0, log_level="warning")
    server = uvicorn.Server(config)
    bound = config.bind_socket()
    bound.listen(512)
    print(f"http://localhost:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
    server.run(sockets=[bound])


if __name__ == "__main__":
    main()
