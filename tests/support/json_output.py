"""What a command prints as JSON, with everything that it said when it prints none."""

from __future__ import annotations

from typing import Any

import orjson


def json_of(done: Any, *, exit_code: int | None = 0) -> Any:
    """The JSON on stdout of a finished process, or of a command that typer's runner has run, which must have ended with ``exit_code`` (None: with any).

    Raises AssertionError with exit code, stdout and stderr.
    """
    ended = done.exit_code if hasattr(done, "exit_code") else done.returncode
    if exit_code is not None and ended != exit_code:
        raise AssertionError(f"exit code {exit_code} was expected:\n{_said(done, ended)}")
    try:
        return orjson.loads(done.stdout)
    except orjson.JSONDecodeError as error:
        raise AssertionError(f"no JSON on stdout ({error}):\n{_said(done, ended)}") from error


def _said(done: Any, ended: int) -> str:
    error = getattr(done, "exception", None)
    parts = [f"exit code {ended}", f"stdout: {_text(done.stdout)!r}", f"stderr: {_text(done.stderr)}"]
    return "\n".join([*parts, *([f"exception: {error!r}"] if error is not None else [])])


def _text(output: str | bytes) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output
