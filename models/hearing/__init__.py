"""Voice activity and speech recognisers.

:class:`SileroActivity` tells speech from the rest; :func:`open_recogniser` makes a recogniser by
name. Nothing is loaded before it is asked for.
"""

from models.hearing.activity import SileroActivity
from models.hearing.recognisers import (
    RECOGNISERS,
    check_recogniser,
    default_recogniser,
    open_recogniser,
)

__all__ = [
    "RECOGNISERS",
    "SileroActivity",
    "check_recogniser",
    "default_recogniser",
    "open_recogniser",
]
