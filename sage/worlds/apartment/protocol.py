"""What passes between the apartment's process and its client: typed msgpack, length first.

Each message is four bytes of length (big-endian) and a tagged msgspec struct. Both sides decode
into the declared types, refuse what does not fit, and refuse messages longer than their limit.
Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Annotated

import msgspec
import numpy as np

from sage.values import CameraModel, Frame, Observation, Odometry, Pose, RangeScan
from sage.worlds.apartment.truth import Truth
from sage.worlds.static_map import StaticMap

REQUEST_LIMIT_BYTES = 4096
REPLY_LIMIT_BYTES = 8 * 2**20
SPEECH_LIMIT = 300
"""Characters of one thing said."""

_LENGTH = struct.Struct(">I")
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Hertz = Annotated[float, msgspec.Meta(ge=0.1, le=200.0)]


class ProtocolError(Exception):
    """The other side sent what it must not."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What all have in common: a tag that names the type, and no unknown fields."""


class Open(_Message, frozen=True):
    """First message of a client: which apartment, and how its time passes."""

    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    realtime: bool
    frame_hz: _Hertz
    scan_hz: _Hertz


class Sync(_Message, frozen=True):
    """What does the server's clock say?"""


class Drive(_Message, frozen=True):
    """A new command for the base."""

    linear_m_s: float
    angular_rad_s: float


class Grip(_Message, frozen=True):
    """Open (1) or close (0) the gripper."""

    opening: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Grasp(_Message, frozen=True):
    """Take the object at this point of the robot's frame (x forward, y left)."""

    forward_m: float
    left_m: float


class Place(_Message, frozen=True):
    """Put what is held down at this point of the robot's frame."""

    forward_m: float
    left_m: float


class Speak(_Message, frozen=True):
    """Say something aloud: the people near the robot hear it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=SPEECH_LIMIT)]


class Advance(_Message, frozen=True):
    """Lock-step only: let the world live for ``dt_s``."""

    dt_s: Annotated[float, msgspec.Meta(gt=0.0, le=3600.0)]


class Put(_Message, frozen=True):
    """Lock-step only: move an object or a piece of furniture to a map point."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    x_m: float
    y_m: float


class AskTruth(_Message, frozen=True):
    """Send the truth."""


class AskPicture(_Message, frozen=True):
    """Send a view from above."""

    width_px: Annotated[int, msgspec.Meta(ge=64, le=1280)]
    height_px: Annotated[int, msgspec.Meta(ge=64, le=960)]


class Ready(_Message, frozen=True):
    """The world stands: what the robot is given to begin with."""

    static_map: StaticMap
    camera: CameraModel
    start_pose: Pose


class Synced(_Message, frozen=True):
    """The server's clock."""

    server_s: float


class FrameTaken(_Message, frozen=True):
    """A frame: rgb, row by row."""

    captured_s: float
    sequence: _Count
    width_px: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    height_px: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    rgb: bytes


class ScanTaken(_Message, frozen=True):
    """A sweep of the range sensor; ``ranges`` and ``bearings`` hold float64, little-endian."""

    captured_s: float
    sequence: _Count
    ranges: bytes
    bearings: bytes
    max_range_m: float


class OdometryTaken(_Message, frozen=True):
    """Dead reckoning."""

    captured_s: float
    sequence: _Count
    pose: Pose
    linear_m_s: float
    angular_rad_s: float
    bumper: bool
    holding: bool


class Advanced(_Message, frozen=True):
    """The world has lived up to ``time_s``; all that fell due was sent before this."""

    time_s: float


class PutDone(_Message, frozen=True):
    """The thing stands there; or it does not, for this reason (one line)."""

    refusal: str = ""


class TruthTold(_Message, frozen=True):
    """The truth."""

    truth: Truth


class PictureTaken(_Message, frozen=True):
    """A view from above: rgb, row by row."""

    width_px: _Count
    height_px: _Count
    rgb: bytes


class Failed(_Message, frozen=True):
    """The world ends, for this reason (one line)."""

    reason: str


Request = Open | Sync | Drive | Grip | Grasp | Place | Speak | Advance | Put | AskTruth | AskPicture
Reply = (
    Ready
    | Synced
    | FrameTaken
    | ScanTaken
    | OdometryTaken
    | Advanced
    | PutDone
    | TruthTold
    | PictureTaken
    | Failed
)

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def send(channel: socket.socket, message: Request | Reply) -> None:
    """Send one message; blocks while the other side is behind. OSError if it is gone."""
    body = _encoder.encode(message)
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive_request(channel: socket.socket) -> Request | None:
    """The client's next message, None once it has gone; ProtocolError on anything else."""
    body = _receive(channel, REQUEST_LIMIT_BYTES)
    if body is None:
        return None
    try:
        request: Request = _requests.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"not a request: {error}") from error
    for value in msgspec.structs.asdict(request).values():
        if isinstance(value, float) and not math.isfinite(value):
            raise ProtocolError(f"not a request: {value} in {type(request).__name__}")
    return request


def receive_reply(channel: socket.socket) -> Reply | None:
    """The server's next message, None once it has gone; ProtocolError on anything else."""
    body = _receive(channel, REPLY_LIMIT_BYTES)
    if body is None:
        return None
    try:
        reply: Reply = _replies.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"not a reply: {error}") from error
    return reply


def observed(reply: Reply, source: str, camera: CameraModel, offset_s: float) -> Observation:
    """The observation that a reply carries, its time put on the client's clock by ``offset_s``.

    ProtocolError where the reply carries none, or a part of one.
    """
    data: Frame | RangeScan | Odometry
    if isinstance(reply, FrameTaken):
        shape = (reply.height_px, reply.width_px, 3)
        if len(reply.rgb) != shape[0] * shape[1] * 3:
            raise ProtocolError("a frame cut short")
        rgb = np.frombuffer(reply.rgb, dtype=np.uint8).reshape(shape)
        modality, data = "camera", Frame(rgb, camera)
    elif isinstance(reply, ScanTaken):
        if len(reply.ranges) != len(reply.bearings) or len(reply.ranges) % 8:
            raise ProtocolError("a scan cut short")
        ranges, bearings = np.frombuffer(reply.ranges), np.frombuffer(reply.bearings)
        modality, data = "scan", RangeScan(ranges, bearings, reply.max_range_m)
    elif isinstance(reply, OdometryTaken):
        modality = "odometry"
        data = Odometry(
            reply.pose, reply.linear_m_s, reply.angular_rad_s, reply.bumper, reply.holding
        )
    else:
        raise ProtocolError(f"an unexpected {type(reply).__name__}")
    return Observation(source, modality, reply.captured_s + offset_s, reply.sequence, data)


def _receive(channel: socket.socket, limit_bytes: int) -> bytes | None:
    head = _exactly(channel, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > limit_bytes:
        raise ProtocolError(f"a message of {length} bytes; at most {limit_bytes} are accepted")
    body = _exactly(channel, length)
    if body is None:
        raise ProtocolError("the connection ended inside a message")
    return body


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    """That many bytes; None if the connection ended before the first of them."""
    buffer = bytearray(count)
    view, filled = memoryview(buffer), 0
    while filled < count:
        try:
            got = channel.recv_into(view[filled:])
        except ConnectionError:
            got = 0
        if got == 0:
            if filled == 0:
                return None
            raise ProtocolError("the connection ended inside a message")
        filled += got
    return bytes(buffer)
