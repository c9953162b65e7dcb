"""The trace of a run: events, the file they are written to, and the views that read them."""
