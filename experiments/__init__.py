"""How each table of the paper is laid out and what was published, shipped in the wheel as ``leap_avvp.experiments``."""
