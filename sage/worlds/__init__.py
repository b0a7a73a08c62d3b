"""Worlds a robot can live in without hardware."""
