"""The one place that holds the version of mdm-core."""

__version__ = "1.0.0"
