"""Hydra configuration of leap-avvp, shipped in the wheel as ``leap_avvp.conf``."""
