"""Where rlm keeps its types."""
