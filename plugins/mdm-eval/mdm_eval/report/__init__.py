"""A run in one document: everything that is told of it, for people and for programs."""
