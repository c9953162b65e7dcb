"""Where the model's code runs: `confined.py` starts a worker process, `host.py` talks to it over `wire.py`."""
