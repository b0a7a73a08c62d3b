"""The process of a recogniser: it serves one pair of ears and ends when they go."""

from __future__ import annotations

import importlib
import math
import socket
from typing import Any

import numpy as np

from sage._safepath import secure_imports
from sage.hearing.pipe import (
    Answer,
    Begin,
    Failed,
    Feed,
    Finish,
    Open,
    Pipe,
    PipeError,
    Ready,
    Request,
)
from sage.hearing.recogniser import Hypothesis, Recogniser


def main(arguments: list[str]) -> int:
    """Serve the socket whose file descriptor is the only argument; the process's exit status."""
    secure_imports()
    with socket.socket(fileno=int(arguments[0])) as channel:
        pipe: Pipe[Request] = Pipe(channel, Request)
        try:
            request = pipe.receive()
            if not isinstance(request, Open):
                return 2
            recogniser = _open(pipe, request)
            if recogniser is None:
                return 2
            try:
                _Server(pipe, recogniser).serve()
            finally:
                recogniser.close()
        except PipeError:  # the ears have gone
            return 0
    return 0


def _open(pipe: Pipe[Request], request: Open) -> Recogniser | None:
    module, _, function = request.entry.partition(":")
    try:
        recogniser: Recogniser = getattr(importlib.import_module(module), function)(
            **request.options
        )
    except Exception as error:
        pipe.send(_failed(None, error))
        return None
    pipe.send(Ready(recogniser.name, bool(getattr(recogniser, "any_words", False))))
    return recogniser


class _Server:
    def __init__(self, pipe: Pipe[Request], recogniser: Recogniser) -> None:
        self._pipe = pipe
        self._recogniser = recogniser
        self._utterance = 0
        self._heard = 0
        self._failed = False

    def serve(self) -> None:
        """Answer until the ears go: PipeError."""
        request = self._pipe.receive()
        while True:
            assert request is not None  # it was waited for
            following: Request | None = None
            if isinstance(request, Begin):
                self._failed = False
                self._utterance, self._heard = request.utterance, 0
            if not self._failed:
                try:
                    following = self._serve(request)
                except PipeError:
                    raise
                except Exception as error:
                    self._failed = True
                    self._pipe.send(_failed(self._utterance, error))
            request = following if following is not None else self._pipe.receive()

    def _serve(self, request: Request) -> Request | None:
        """Returns the next request, where one is there already."""
        if isinstance(request, Begin):
            self._recogniser.begin()
            self._answer(Hypothesis("", 0.0), final=False)  # a sign of life
        elif isinstance(request, Feed):
            samples: Any = np.frombuffer(request.samples, np.float32)
            self._recogniser.feed(samples)
            self._heard += len(samples)
            following = self._pipe.receive(0.0)
            if following is not None:  # behind: there will be a better answer in a moment
                return following
            self._answer(self._recogniser.partial(), final=False)
        elif isinstance(request, Finish):
            self._answer(self._recogniser.finish(), final=True)
        return None

    def _answer(self, found: Hypothesis, *, final: bool) -> None:
        sure = found.confidence if math.isfinite(found.confidence) else 0.0
        sure = min(1.0, max(0.0, float(sure)))
        self._pipe.send(
            Answer(self._utterance, self._heard, found.text, sure, bool(found.complete), final)
        )


def _failed(utterance: int | None, error: Exception) -> Failed:
    text = " ".join(str(error).split()) or type(error).__name__
    return Failed(utterance, type(error).__name__, text[:1000])
