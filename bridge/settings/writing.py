"""Settings written back to where they are read from: ``.env`` or ``bridge.toml``, every comment and every other line kept.

A setting is changed where it stands. One that stands nowhere goes into ``.env``, or into ``bridge.toml`` where only that exists or
where the route is declared there. What the environment sets wins over both files, and no file can change it.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from bridge.model.errors import SettingsError
from bridge.settings.loading import ENV_FILE, TOML_FILE
from bridge.settings.section import variable
from bridge.settings.tree import ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.settings.routes import Route

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_ASSIGNMENT: Final = re.compile(
    r"(?P<head>\s*(?:export[^\S\r\n]+)?[^\s=]+[^\S\r\n]*=[^\S\r\n]*)"
    r"(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\r\n]*?)"
    r"(?P<tail>(?:[^\S\r\n]+\#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r)?)",
    re.DOTALL,
)
_NEW_FILE_MODE: Final = 0o600
"""Of a ``.env`` that did not exist: secrets are put beside what is written."""

Key = tuple[str, str]
"""Section and key of a setting."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One file, as it is ("" where it does not exist) and as it is to be."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The lines that change, in the form of ``diff -u``, without context that may hold secrets."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n"
            for line in difflib.unified_diff(
                self.before.splitlines(keepends=True),
                self.after.splitlines(keepends=True),
                str(self.path),
                str(self.path),
                n=0,
            )
        )


def edits(
    route: Route, values: Mapping[Key, str], *, directory: Path = Path(), environment: Mapping[str, str] | None = None
) -> list[Edit]:
    """What has to change in the files of ``directory`` so that ``route`` has these values.

    Raises ``SettingsError`` where the environment sets one of them to something else.
    """
    given = {name.upper(): value for name, value in (os.environ if environment is None else environment).items()}
    env_path, toml_path = directory / ENV_FILE, directory / TOML_FILE
    env_text, toml_text = _read(env_path), _read(toml_path)
    in_env = {name.upper() for name, value in dotenv_values(stream=io.StringIO(env_text or "")).items() if value}
    document = tomlkit.parse(toml_text or "")
    into_env: dict[str, str] = {}
    into_toml: dict[Key, str] = {}
    for (section, key), value in values.items():
        name = route.variable(section, key)
        set_by_environment = given.get(name, "")
        if set_by_environment:
            if set_by_environment != value:
                raise SettingsError(
                    f"{name} is set in the environment to {set_by_environment}, and is to be {value}",
                    hint=f"the environment wins over {ENV_FILE} and {TOML_FILE}: change it there, or unset it",
                )
            continue
        in_toml = _table(document, route, section) is not None and key in (_table(document, route, section) or {})
        declared_in_toml = route.declared and route.name in document.get(ROUTES, {})
        new_in_toml = env_text is None and toml_text is not None if not route.declared else declared_in_toml
        if name in in_env:
            into_env[name] = value
        elif in_toml or new_in_toml:
            into_toml[section, key] = value
        else:
            into_env[name] = value
    found = []
    if into_env:
        found.append(Edit(env_path, env_text or "", env_with(env_text or "", into_env)))
    if into_toml:
        found.append(Edit(toml_path, toml_text or "", toml_with(toml_text or "", into_toml, route)))
    return [edit for edit in found if edit.before != edit.after]


def is_stated(route: Route, section: str, key: str, *, directory: Path = Path()) -> bool:
    """Whether a setting of the route is written anywhere, by its own name or by the one that all routes inherit from."""
    names = {route.variable(section, key), variable(section, key)}
    env = dotenv_values(stream=io.StringIO(_read(directory / ENV_FILE) or ""))
    if names & {name.upper() for name, value in (*os.environ.items(), *env.items()) if value}:
        return True
    document = tomlkit.parse(_read(directory / TOML_FILE) or "")
    tables = (_table(document, route, section), document.get(section))
    return any(isinstance(table, dict) and key in table for table in tables)


def env_with(text: str, values: Mapping[str, str]) -> str:
    """The text of a ``.env`` file with these variables set: where they stand, below their commented-out line, or at the end."""
    pieces = [found.original.string for found in parse_stream(io.StringIO(text))]
    keys = [(found.key or "").upper() for found in parse_stream(io.StringIO(text))]
    newline = "\r\n" if "\r\n" in text else "\n"
    for name, value in values.items():
        line = f"{name}={_quoted(value)}"
        places = [position for position, key in enumerate(keys) if key == name]
        for position in places:
            match = _ASSIGNMENT.fullmatch(pieces[position])
            if match is None:
                # Without "=" (a bare name), or of a form of its own: written anew, with what stood before it.
                blank = pieces[position][: len(pieces[position]) - len(pieces[position].lstrip())]
                pieces[position] = f"{blank}{line}{newline}"
            else:
                pieces[position] = f"{match['head']}{_quoted(value)}{match['tail']}"
        if places:
            continue
        commented = re.compile(rf"[^\S\r\n]*\#[^\S\r\n]*{re.escape(name)}[^\S\r\n]*=", re.IGNORECASE)
        below = [position for position, piece in enumerate(pieces) if commented.match(piece.lstrip("\r\n"))]
        position = below[-1] + 1 if below else len(pieces)
        if position and not pieces[position - 1].endswith(("\n", "\r")):
            pieces[position - 1] += newline
        pieces.insert(position, f"{line}{newline}")
        keys.insert(position, name)
    return "".join(pieces)


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def toml_with(text: str, values: Mapping[Key, str], route: Route) -> str:
    """The text of a ``bridge.toml`` with these keys set, in the route's own sections where it is declared."""
    document = tomlkit.parse(text)
    for (section, key), value in values.items():
        holder: Any = document
        for name in (ROUTES, route.name) if route.declared else ():
            holder = holder.setdefault(name, tomlkit.table(is_super_table=True))
        table = holder.get(section)
        if table is None:
            table = tomlkit.table()
            holder[section] = table
        table[key] = value
    return tomlkit.dumps(document)


def _table(document: Any, route: Route, section: str) -> Any:
    for name in (*((ROUTES, route.name) if route.declared else ()), section):
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else None


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def write(edits_: Sequence[Edit]) -> None:
    """Put the files in their place, each whole or not at all. Raises ``SettingsError`` with the lines that could not be written."""
    for edit in edits_:
        try:
            replace_file(edit.path, edit.after)
        except OSError as error:
            raise SettingsError(
                f"{edit.path} cannot be written: {error.strerror or error}; what it should say is\n{edit.diff}",
                hint="AEP is set up; make the file writable and run aep-bridge setup apply again, or write these lines",
            ) from None


def replace_file(path: Path, text: str) -> None:
    """Write ``path`` whole or not at all, with the mode it had; through a link to what it points at. Raises ``OSError``."""
    path = path.resolve()
    mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE_MODE
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)  # noqa: PTH101 - the same
        os.replace(name, path)  # noqa: PTH105 - the same
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the same
        raise
