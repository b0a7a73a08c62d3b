"""The shapes and units that the vision networks, their training and the plugin agree on.

The picture is 224 x 224; the latent is 7 x 7 cells of 256 channels, and each of its cells unfolds
to 4 x 4 patches of 8 px. Detection reads 2 x 2 sub-cells from every latent cell (a 14 x 14 grid of
16 px), each with two slots: ``furniture`` (and people) and ``objects`` (what a gripper can lift).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sage.ontology import APARTMENT_OBJECTS, ROOM_NAMES, VISION_CLASSES

INPUT_PX: Final = 224
LATENT_CHANNELS: Final = 256
LATENT_CELLS: Final = 7
#: Side of the patches that a frame is first analysed in, and how many of them are in a row.
PATCH_PX: Final = 8
PATCHES: Final = INPUT_PX // PATCH_PX
#: Patches along one side of a latent cell.
FOLD: Final = PATCHES // LATENT_CELLS
#: Components of a patch, of 192: those that the latent is made of, that the refiner observes,
#: and that the decoder draws.
LATENT_COMPONENTS: Final = 48
OBSERVED_COMPONENTS: Final = 64
DRAWN_COMPONENTS: Final = 96
#: What is missing in a frame, as the networks take it: 4 x 4 fractions per patch.
MISSING_CHANNELS: Final = 16
#: What a refinement step hands on to the next besides the latent, per patch.
THOUGHT_CHANNELS: Final = 48
#: Numbers that tell the error head how loud each component is over the whole frame.
CONTEXT: Final = 64
#: Factors on the errors expected of a frame: where it was not looked at, and where it was.
LEVELS: Final = 2
#: Numbers in the embedding of a scene.
EMBEDDING: Final = 128
SUBCELLS: Final = 2
GRID: Final = LATENT_CELLS * SUBCELLS
CELL_PX: Final = INPUT_PX / GRID

#: Side of the window that a refinement step looks at, in latent cells.
WINDOW: Final = 4
#: Refinement steps that training unrolls; the plugin's default maximum. Four cover the frame.
STEPS: Final = 16

SMALL_CLASSES: Final[tuple[str, ...]] = APARTMENT_OBJECTS
LARGE_CLASSES: Final[tuple[str, ...]] = tuple(
    name for name in VISION_CLASSES if name not in APARTMENT_OBJECTS
)
ROOMS: Final[tuple[str, ...]] = ROOM_NAMES

#: Per slot and sub-cell: one logit per class, then the geometry.
GEOMETRY_CHANNELS: Final = 6


@dataclass(frozen=True, slots=True)
class Slot:
    """One detection slot of every sub-cell.

    Channel order of its map: one logit per class, then centre offset (x, y; in cells from the
    sub-cell's middle), log width and log height (of ``reference_px``), log distance (of 1 m),
    and the column of the thing's own centre (in cells from the sub-cell's middle), which
    differs from the box centre where the thing is cut off or hidden.
    """

    name: str
    classes: tuple[str, ...]
    reference_px: float
    first_channel: int

    @property
    def channels(self) -> int:
        """Channels of this slot."""
        return len(self.classes) + GEOMETRY_CHANNELS


SMALL: Final = Slot("objects", SMALL_CLASSES, 16.0, len(LARGE_CLASSES) + GEOMETRY_CHANNELS)
LARGE: Final = Slot("furniture", LARGE_CLASSES, 64.0, 0)
SLOTS: Final = (LARGE, SMALL)
DETECTION_CHANNELS: Final = LARGE.channels + SMALL.channels
