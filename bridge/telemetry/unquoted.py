"""Errors of the HTTP library without their words: its parser quotes the request that it refuses, credentials and bodies included."""

from __future__ import annotations

import logging

_LIBRARY = "aiohttp"


class Unquoted(logging.Filter):
    """A handler's filter: of an exception of aiohttp, and of any that aiohttp logs, the type is told and nothing else."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record is shown."""
        if record.exc_info and (kind := record.exc_info[0]) is not None:
            of_library = kind.__module__.partition(".")[0] == _LIBRARY
            if of_library or record.name.partition(".")[0] == _LIBRARY:
                record.exc_info = None
                record.exc_text = None
                record.kind = kind.__name__
        return True
