"""The tracing methods, one file each, holding the paper's formula and little else."""
