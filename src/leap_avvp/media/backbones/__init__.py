"""Pretrained networks, a file each: its source, licence, preprocessing and output."""
