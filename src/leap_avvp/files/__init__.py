"""Files that are whole or absent, folders with one writer at a time, files of unknown origin, and the machine."""

from leap_avvp.files.atomic import folder_lock, unwritable, write_whole

__all__ = ["folder_lock", "unwritable", "write_whole"]
