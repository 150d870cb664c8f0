"""The archive of another workflow's JUnit report, which a stranger made."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.action.modes import xml_of
from egbot.errors import ForgeError
from egbot.intake.junit import MAX_BYTES


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def test_the_first_xml_file_by_name_is_the_report() -> None:
    assert xml_of(zipped(b_xml=b"<b/>", a_xml=b"<a/>", a_txt=b"x")) == b"<a/>"


def test_a_bomb_is_not_unpacked_further_than_a_report_may_be_long() -> None:
    assert len(xml_of(zipped(a_xml=b"0" * (2 * MAX_BYTES)))) == MAX_BYTES + 1


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", zipped(a_txt=b"x")])
def test_what_holds_no_report_is_told(data: bytes) -> None:
    with pytest.raises(ForgeError, match="artifact"):
        xml_of(data)


GOOD = zipped(a_xml=b"<testsuites/>" * 50)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=12))
def test_a_broken_archive_never_crashes(at: int, noise: bytes) -> None:
    with contextlib.suppress(ForgeError):
        assert len(xml_of(GOOD[:at] + noise + GOOD[at + len(noise) :])) <= MAX_BYTES + 1
