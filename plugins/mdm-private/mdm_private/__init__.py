"""A proprietary model in a pipeline, of which nothing is seen."""

from mdm_private.model import PrivateModel

__all__ = ["PrivateModel"]
