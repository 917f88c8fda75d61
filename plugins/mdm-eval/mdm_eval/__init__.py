"""What a run decided, and whether it was right."""
