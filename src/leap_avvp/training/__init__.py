"""One run: the module that is trained, its callbacks and checkpoints, and the story from start to ``metrics.json``."""
