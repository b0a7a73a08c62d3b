"""Plugins: iterative refinement primitives that SAGE ships."""
