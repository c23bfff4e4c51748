"""Where the mapping sets are that come with the bridge: in its source tree, or in the installed package.

The wheel carries the project's ``mappings/`` inside this package, so ``mappings/moengage_events.csv`` names the shipped
mapping set wherever the bridge runs.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE, _PACKAGE.parent.parent)


def find(path: Path) -> Path:
    """``path`` itself where it exists (or is absolute), else what the bridge ships under that name, else ``path`` again.

    A file of the user's own always wins, so a copy that is edited in the working directory is the one that is used.
    """
    if path.is_absolute() or _exists(path):
        return path
    return next((home / path for home in _HOMES if _exists(home / path)), path)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - what cannot be a name at all, as it is too long, is an error to Path.exists
