"""How the mapping commands write files: to stdout where none is named, and never over one that is there without a word."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bridge.cli.terminal import say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from pathlib import Path


def refuse_overwriting(output: Path, *, force: bool, way_out: str = "--force overwrites it") -> None:
    """Raise ``BridgeError`` where the file is there and nobody said that it may go."""
    if output.exists() and not force:
        raise BridgeError(f"{output} exists already and is not changed", hint=way_out)


def write(text: str, output: Path | None) -> None:
    """Write UTF-8 text, lines as they are."""
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BridgeError(f"{output}: cannot be written ({error.strerror})") from None
    say(f"wrote {output}")
