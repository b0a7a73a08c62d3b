"""Networks, their exported artifacts with model cards, and the backends that run them."""
