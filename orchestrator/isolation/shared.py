"""Memory that two processes share: slots in a file without a name, gone with its last user.

The file is sparse: a slot takes memory only as far as it was ever written, so slots may be as
large as the largest message allowed. Its size is sealed: neither side can pull it away from under
the other, which would kill that one with SIGBUS.
"""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np

from orchestrator.isolation.codec import Bytes

REQUEST = 0
"""The first of two slots that requests alternate between."""
ANSWER = 2
"""The first of two slots for answers to questions."""
_PAIRS = 4


def result_slots(pair: int) -> tuple[int, int]:
    """The two slots in which the results of one refinement alternate."""
    first = _PAIRS + 2 * pair
    return first, first + 1


class SharedSlots:
    """The slots of one plugin's process, as one of both sides sees them."""

    def __init__(self, file: int, slot_bytes: int, pairs: int) -> None:
        count = _PAIRS + 2 * pairs
        memory = mmap.mmap(file, count * slot_bytes)
        self._slots: list[Bytes] = list(np.frombuffer(memory, np.uint8).reshape(count, slot_bytes))

    def __getitem__(self, slot: int) -> Bytes:
        """One slot, to be written or read."""
        return self._slots[slot]


def create(slot_bytes: int, pairs: int) -> int:
    """A file for so many slots; returns its descriptor. OSError where there is none."""
    file = os.memfd_create("sage-plugin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(file, (_PAIRS + 2 * pairs) * slot_bytes)
        fcntl.fcntl(
            file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        )
    except OSError:
        os.close(file)
        raise
    return file
