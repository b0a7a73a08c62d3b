"""The report that a run leaves: one HTML file that needs nothing else."""
