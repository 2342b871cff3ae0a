"""A backbone in training: frozen up to a block, trained from there on, with a layer on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from engine.backbones.networks import Frozen
from engine.backbones.table import Backbone
from engine.heads.head import Dense
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.finetune.stages import cut

# The layer on top is new, and may have a higher learning rate than what was trained for months.
TOP_LARGER = 10.0
# Least length of an embedding that is scaled to 1.
EPS = 1e-6


class Network(nn.Module):
    """From pixels to logits.

    Parameters
    ----------
    backbone
        Which one it is.
    frozen
        As it was loaded; its stages from `options.block` on will be trained.
    top
        The layer on unit embeddings to start with.
    scale
        Multiplies the unit embeddings.
    """

    def __init__(
        self, backbone: Backbone, frozen: Frozen, options: FinetuneOptions, top: Dense, scale: float
    ) -> None:
        super().__init__()
        self._frozen = [frozen]  # in a list, so that it is no submodule a second time
        self.below, stages = cut(backbone, frozen.network, options.block)
        self.above = nn.ModuleDict({_key(name): stage for name, stage in stages})
        self.top = nn.Linear(top.weight.shape[1], top.weight.shape[0])
        self.top.weight.data = torch.from_numpy(top.weight.copy())
        self.top.bias.data = torch.from_numpy(top.bias.copy())
        self.scale = scale
        self._adapt_norms = options.adapt_norms
        self.below.requires_grad_(False)
        self.above.requires_grad_(True)

    def train(self, mode: bool = True) -> Network:
        """Switch between training and evaluation, in which the blocks below the cut always are."""
        super().train(mode)
        self.below.eval()
        if not self._adapt_norms:
            for module in self.above.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what enters the first trained block, of pixels uint8 `[n, height, width, 3]`."""
        frozen = self._frozen[0]
        planes = pixels.permute(0, 3, 1, 2).to(torch.float32)
        with torch.no_grad():
            answer: torch.Tensor = self.below((planes - frozen.mean) / frozen.std)
        return answer

    def embeddings(self, features: torch.Tensor) -> torch.Tensor:
        """Return unit embeddings `[n, dim]`."""
        for stage in self.above.values():
            features = stage(features)
        return nn.functional.normalize(torch.flatten(features, 1).float(), eps=EPS)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits `[n, categories]`."""
        logits: torch.Tensor = self.top(self.scale * self.embeddings(features))
        return logits

    def groups(self, options: FinetuneOptions) -> list[dict[str, object]]:
        """Return AdamW's parameter groups: the top, then block by block down."""
        groups: list[dict[str, object]] = [
            {"params": list(self.top.parameters()), "lr": options.lr * TOP_LARGER}
        ]
        lr = options.lr
        for stage in reversed(list(self.above.values())):
            if parameters := list(stage.parameters()):
                groups.append({"params": parameters, "lr": lr})
                lr *= options.layer_decay
        return groups

    def trained(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield names and tensors of all that training changes."""
        for part in ("above", "top"):
            yield from self.get_submodule(part).state_dict(prefix=f"{part}.").items()

    def load_trained(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `trained` yielded."""
        for part in ("above", "top"):
            prefix = f"{part}."
            own = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
            self.get_submodule(part).load_state_dict(own)

    def backbone_state(self) -> dict[str, torch.Tensor]:
        """Return the backbone's tensors under the names of its library."""
        return dict(self._frozen[0].network.state_dict())

    @property
    def trained_parameters(self) -> int:
        """How many parameters are trained, the layer on top included."""
        return sum(each.numel() for each in self.parameters() if each.requires_grad)


def _key(name: str) -> str:
    # A ModuleDict wants no dots.
    return name.replace(".", "_")
