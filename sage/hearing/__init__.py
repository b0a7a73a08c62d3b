"""Hearing: from a microphone's samples to words."""
