"""A stand-in for another implementation of the contract: dataclasses, mutable, version 0.2."""
