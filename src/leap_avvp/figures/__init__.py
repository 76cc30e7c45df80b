"""Figures of runs: parsed videos, learning curves, F1 of each class, kinds of mistakes.

Nothing is imported here: the command line reads this package's arguments, and must not wait for matplotlib or torch.
"""
