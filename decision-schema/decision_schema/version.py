"""The version of the contract, written here and nowhere else."""

__version__ = "0.1.3"
