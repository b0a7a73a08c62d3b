"""The commands of ``sage``: one module each, found through the table in ``cli``."""
