"""Where large temporary files may lie: on a disk, and not where a file takes memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def work_folder(wanted: Path | None) -> Path:
    """Where large files may lie: the folder that is wanted, or the first usual one that is on a disk."""
    if wanted is not None:
        return wanted
    usual = [Path(tempfile.gettempdir()), Path("/var/tmp")]  # nosec B108 # noqa: S108 - mkstemp makes the file
    return next((each for each in usual if each.is_dir() and not lies_in_memory(each)), usual[0])


def lies_in_memory(folder: Path) -> bool:
    """Whether what is written there takes memory."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    place = folder.resolve()
    mounts = {Path(parts[1].replace("\\040", " ")): parts[2] for line in lines if len(parts := line.split()) > 2}
    for parent in (place, *place.parents):
        if parent in mounts:
            return mounts[parent] in _IN_MEMORY
    return False
