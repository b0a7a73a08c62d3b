"""Floor textures drawn from a seed, as PNG bytes (written with the standard library's zlib)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
SIZE_PX = 128


def png_bytes(rgb: UInt8Array) -> bytes:
    """An 8-bit RGB picture (H, W, 3) as a PNG file."""
    height, width, _ = rgb.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    rows[:, 1:] = rgb.reshape(height, -1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 1))
        + chunk(b"IEND", b"")
    )


def planks(color: tuple[float, float, float], rng: np.random.Generator) -> UInt8Array:
    """Wooden boards along the first axis, with butt joints and grain."""
    count, n = 8, SIZE_PX
    width = n // count
    picture = np.empty((n, n, 3))
    grain = rng.normal(0, 1, (n, n // 8)).repeat(8, axis=1)
    for i in range(count):
        rows = slice(i * width, (i + 1) * width)
        joint = int(rng.integers(n))
        shade = np.where(np.arange(n) < joint, rng.uniform(0.88, 1.06), rng.uniform(0.88, 1.06))
        board = np.array(color)[None, None] * shade[None, :, None]
        picture[rows] = board * (1 + 0.03 * grain[rows][:, :, None])
        picture[rows.stop - 1] *= 0.72
        picture[rows, joint] *= 0.72
    return _to_bytes(picture)


def tiles(
    color: tuple[float, float, float],
    second: tuple[float, float, float],
    count: int,
    rng: np.random.Generator,
) -> UInt8Array:
    """Square tiles in two colours, a chequer with pale joints."""
    n = SIZE_PX
    index = np.arange(n) * count // n
    chequer = (index[:, None] + index[None, :]) % 2
    picture = np.where(chequer[:, :, None] == 0, np.array(color), np.array(second))
    shade = rng.uniform(0.95, 1.05, (count, count))
    picture = picture * shade[index[:, None], index[None, :]][:, :, None]
    edge = np.arange(n) % (n // count) == 0
    picture[edge] = np.array(color) * 0.8
    picture[:, edge] = np.array(color) * 0.8
    return _to_bytes(picture)


def carpet(color: tuple[float, float, float], rng: np.random.Generator) -> UInt8Array:
    """A short pile: fine noise."""
    n = SIZE_PX
    noise = rng.normal(0, 0.05, (n, n, 1)) + rng.normal(0, 0.03, (n // 4, n // 4, 1)).repeat(
        4, axis=0
    ).repeat(4, axis=1)
    return _to_bytes(np.array(color)[None, None] * (1 + noise))


def _to_bytes(picture: npt.NDArray[np.float64]) -> UInt8Array:
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)
