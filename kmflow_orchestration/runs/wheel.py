"""This very package as a wheel, for jobs to run; the same code always gives the same bytes.

Built from the installed package, so that a job runs what its submitter runs, without a build tool.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import kmflow_orchestration

PACKAGE = "kmflow_orchestration"
ENTRY_POINT = "profile"
_SUFFIXES = frozenset({".py", ".sql", ".yaml", ".yml", ".md", ".typed"})
# The earliest moment a zip can name: real ones would make equal wheels differ.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_ENTRY_POINTS = f"""[kmflow.jobs]
{ENTRY_POINT} = kmflow_orchestration.profiling.job:main
"""
_WHEEL = """Wheel-Version: 1.0
Generator: kmflow_orchestration
Root-Is-Purelib: true
Tag: py3-none-any
"""


def build_wheel(target_dir: Path) -> Path:
    """Write `kmflow_orchestration-<version>-py3-none-any.whl`; whole, or not at all.

    It names no dependencies: what jobs run needs none. A wheel that is there is replaced.
    """
    version = kmflow_orchestration.__version__
    target_dir.mkdir(parents=True, exist_ok=True)
    target = target_dir / f"{PACKAGE}-{version}-py3-none-any.whl"
    partial = target.with_suffix(".partial")
    _write(partial, dict(_contents(version)), f"{PACKAGE}-{version}.dist-info/RECORD")
    partial.replace(target)
    return target


def wheel_hash(path: Path) -> str:
    """First 8 hex digits of the wheel's SHA-256; names the folder it is uploaded to."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _contents(version: str) -> Iterator[tuple[str, bytes]]:
    root = Path(kmflow_orchestration.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file() and "__pycache__" not in path.parts:
            yield f"{PACKAGE}/{path.relative_to(root).as_posix()}", path.read_bytes()
    information = f"{PACKAGE}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {version}\n"
    yield f"{information}/METADATA", metadata.encode()
    yield f"{information}/WHEEL", _WHEEL.encode()
    yield f"{information}/entry_points.txt", _ENTRY_POINTS.encode()


def _write(path: Path, contents: dict[str, bytes], record: str) -> None:
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in contents.items()]
    contents[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    # Stored, not deflated: what deflate writes depends on the machine's zlib.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
