"""Audio-visual video parsing on LLP with LEAP (Zhou et al., ECCV 2024)."""

__all__ = ["__version__"]

__version__ = "0.1.0"
