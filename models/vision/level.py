"""How wrong frames of such a spectrum are on the whole: a factor on what the error head expects.

The error head sees patches, and learns on batches of a few pictures; what a frame's level is must
be learned over many frames. A smooth picture and a smeared one are told apart by how loud each
component is over all of it. A factor changes nothing about where errors are, nor what part of them
will go.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.vision.layout import LEVELS, OBSERVED_COMPONENTS

_HIDDEN, _DROPPED = 64, 0.1
#: Bound of the logarithm of the factor: a frame unlike all others is not believed to be perfect.
_MOST = 1.5


class FrameLevel(nn.Module):
    """What was observed and is missing of a frame, to the factors on its expected errors: while it
    was not looked at, and where it was."""

    def __init__(self) -> None:
        super().__init__()
        self.tell = nn.Sequential(
            nn.Linear(OBSERVED_COMPONENTS + 1, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(_DROPPED),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, LEVELS),
        )
        last = self.tell[-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, told: Tensor) -> Tensor:
        """(N, 65) of :func:`spectrum` to (N, 2) factors in (0.22, 4.5)."""
        return torch.exp(_MOST * torch.tanh(self.tell(told) / _MOST))


def loudness(observed: Tensor, scale: Tensor) -> Tensor:
    """Logarithms (N, 64) of how loud each observed component (N, 64, 28, 28) is over the frame,
    of about unit size; ``scale`` as :class:`~models.vision.judge.ErrorHead` measures them."""
    energy = (observed * scale.square()).square().mean((2, 3))
    return 0.3 * torch.log(energy.float() + 1e-6) + 1.5


def spectrum(loud: Tensor, missing: Tensor) -> Tensor:
    """Loudness (N, 64) and how much of the frame is missing, of (N, 16, 28, 28), as (N, 65)."""
    return torch.cat([loud, missing.mean((1, 2, 3))[:, None]], 1)
