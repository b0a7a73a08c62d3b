"""What SAGE remembers: experiences worth keeping, and what sleep makes of them."""
