"""The commands that this distribution adds to ``mdm``, one light module each."""
