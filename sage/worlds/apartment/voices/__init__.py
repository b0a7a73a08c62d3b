"""Recordings of spoken commands, made with espeak-ng."""
