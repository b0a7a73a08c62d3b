"""The vision model: layout, networks, training, export, shipped weights and their card."""
