from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.errors import OutputChanged, StorageUnavailable
from kmflow_orchestration.storage.upload_spool import UploadSpool

ONE = "7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11"


@pytest.fixture
def spool(tmp_path: Path) -> UploadSpool:
    return UploadSpool(tmp_path / "upload_spool" / "acme")


def test_bytes_are_kept_for_their_owner_alone_until_they_are_dropped(
    spool: UploadSpool, tmp_path: Path
) -> None:
    spool.keep(ONE, b"of acme")

    kept = tmp_path / "upload_spool" / "acme" / ONE
    assert spool.read(ONE) == kept.read_bytes() == b"of acme"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    spool.drop(ONE)
    spool.drop(ONE)
    assert list(kept.parent.iterdir()) == []


def test_bytes_that_are_gone_are_told(spool: UploadSpool) -> None:
    with pytest.raises(OutputChanged, match=ONE):
        spool.read(ONE)


@pytest.mark.parametrize("failure_id", ["", "../globex/x", "a", "/etc/passwd"])
def test_only_an_id_names_a_file(spool: UploadSpool, failure_id: str) -> None:
    for call in (spool.read, spool.drop):
        with pytest.raises(ValueError, match="UUID"):
            call(failure_id)


def test_a_place_that_cannot_be_written_is_told(spool: UploadSpool, tmp_path: Path) -> None:
    (tmp_path / "upload_spool").write_bytes(b"a file")

    with pytest.raises(StorageUnavailable, match="cannot be kept either"):
        spool.keep(ONE, b"of acme")
