"""Figures of what a run saw: parsed videos with attention, learning curves, classes and mistakes."""
