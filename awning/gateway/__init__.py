"""From a request to its reply, as one readable list of stages (pipeline.py)."""
