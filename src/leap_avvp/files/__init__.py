"""Files that are whole or absent, folders with one writer at a time, files of unknown origin, and the machine."""

from leap_avvp.files.atomic import METRICS_FILE, METRICS_FORMAT, folder_lock, unwritable, write_whole

__all__ = ["METRICS_FILE", "METRICS_FORMAT", "folder_lock", "unwritable", "write_whole"]
