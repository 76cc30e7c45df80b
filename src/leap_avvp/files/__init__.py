"""Files that are whole or absent, folders with one writer at a time, files of unknown origin, and the machine."""

from leap_avvp.files.atomic import unwritable, write_json, write_whole
from leap_avvp.files.locks import folder_lock

__all__ = ["folder_lock", "unwritable", "write_json", "write_whole"]
