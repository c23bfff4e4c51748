"""The Java programs of tests/data, each compiled once a checkout and Java: compiling costs more than all that they are asked."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

JAVA = shutil.which("java")
_ROOT = Path(__file__).resolve().parents[2]
_BRIEFLY = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto")
_SECONDS = 120


def answers_of(program: str, questions: str) -> list[str]:
    """What ``tests/data/PROGRAM.java`` answers to the lines, a line each; raises ``CalledProcessError`` where it fails."""
    command = [str(JAVA), *_BRIEFLY, "-cp", str(_compiled(program)), program]
    done = subprocess.run(command, input=questions.encode(), capture_output=True, check=True, timeout=_SECONDS)
    return done.stdout.decode().splitlines()


@functools.cache
def _compiled(program: str) -> Path:
    """The folder with its class files."""
    source = _ROOT / "tests" / "data" / f"{program}.java"
    made_of = source.read_bytes() + bytes(Path(str(JAVA)).resolve())
    folder = _ROOT / ".make" / "java" / f"{program}-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        compiler = [str(JAVA), *_BRIEFLY, "-m", "jdk.compiler/com.sun.tools.javac.Main"]
        subprocess.run([*compiler, "-d", str(partial), str(source)], capture_output=True, check=True, timeout=_SECONDS)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # another test process was quicker
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
