"""A mailbox of latest values: one slot per key, and the newest wins."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands the newest item of each key from producers to a consumer; thread-safe.

    Keys are served in the order in which they began to wait, so that a fast one cannot starve a
    slow one.
    """

    __slots__ = ("_arrived", "_closed", "_slots")

    def __init__(self) -> None:
        self._slots: dict[Hashable, T] = {}
        self._arrived = threading.Condition()
        self._closed = False

    def put(self, key: Hashable, item: T) -> T | None:
        """Leave an item; returns the one that nobody had taken and that is now superseded.

        A closed mailbox gives the item itself back.
        """
        with self._arrived:
            if self._closed:
                return item
            displaced = self._slots.get(key)
            self._slots[key] = item
            self._arrived.notify()
            return displaced

    def take(self, timeout_s: float | None = None) -> T | None:
        """The item that waits longest; None after ``timeout_s`` or once closed."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._closed or self._slots, timeout_s)
            if not self._slots:
                return None
            return self._slots.pop(next(iter(self._slots)))

    def close(self) -> list[T]:
        """Accept nothing more and wake the consumer; returns what nobody had taken."""
        with self._arrived:
            self._closed = True
            left = list(self._slots.values())
            self._slots.clear()
            self._arrived.notify_all()
            return left

    def __len__(self) -> int:
        with self._arrived:
            return len(self._slots)
