"""SQL over the trace of a run."""
