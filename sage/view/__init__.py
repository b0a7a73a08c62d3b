"""Watching a run: a live terminal, plain lines, pictures."""
