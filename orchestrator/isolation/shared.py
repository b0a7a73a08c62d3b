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

COPIED = 0
"""Where a request lies that is copied out at once."""
ANSWER = 1
"""The first of two slots that answers to questions alternate between."""
_LEASED = 3


class SharedSlots:
    """The slots of one plugin's process, as one of both sides sees them.

    ``leased`` are for requests whose arrays are read where they lie; each of ``kept`` refinements
    may hold one while the next request is written.
    """

    def __init__(self, file: int, slot_bytes: int, kept: int) -> None:
        count = _count(kept)
        memory = mmap.mmap(file, count * slot_bytes)
        self._slots: list[Bytes] = list(np.frombuffer(memory, np.uint8).reshape(count, slot_bytes))
        self.leased = range(_LEASED, _LEASED + kept + 1)

    def __getitem__(self, slot: int) -> Bytes:
        """One slot, to be written or read."""
        return self._slots[slot]

    def results(self, place: int) -> tuple[int, int]:
        """The two slots in which the results of one refinement alternate; nowhere below 0."""
        if place < 0:
            return -1, -1
        first = self.leased.stop + 2 * place
        return first, first + 1


def _count(kept: int) -> int:
    return _LEASED + kept + 1 + 2 * kept


def create(slot_bytes: int, kept: int) -> int:
    """The descriptor of a file for the slots of so many refinements; OSError without one."""
    file = os.memfd_create("sage-plugin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(file, _count(kept) * slot_bytes)
        fcntl.fcntl(
            file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        )
    except OSError:
        os.close(file)
        raise
    return file
