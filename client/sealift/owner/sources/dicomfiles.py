"""DICOM files: their elements read, with or without preamble and file meta information."""

from __future__ import annotations

import os
import struct
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sealift.formats.dicom import DAMAGE, quiet
from sealift_protocol.errors import SourceError

if TYPE_CHECKING:
    from pydicom import FileDataset

_DIRECTORY = "1.2.840.10008.1.3.10"
_UNDEFINED = 0xFFFFFFFF
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PREAMBLE = 128
_MAX_BARE = 256 << 20
_FIRST_GROUPS = (0x0002, 0x0008, 0x0010)
_IN_EVERY_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "Modality")
_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UC UI UL UN US UT".split()
)


def read_header(stream: BinaryIO, path: Path, *, whole: bool = False) -> FileDataset:
    """Read the elements before the pixel data, or all; the stream is then after them.

    Raises:
        SourceError: the file is damaged or not DICOM.
    """
    from pydicom.config import strict_reading
    from pydicom.errors import InvalidDicomError

    bare = not has_preamble(stream) and _begins_with_element(stream)
    # Without file meta information nothing says how pixels are encoded: read all, and set it.
    whole = whole or bare
    if bare and stream.seek(0, os.SEEK_END) > _MAX_BARE:
        raise SourceError(
            "a file without file meta information is larger than "
            f"{_MAX_BARE >> 20} MiB, and would be read at once",
            path=path,
            hint="convert it to a DICOM file with file meta information (PS3.10)",
        )
    with quiet():
        try:
            header = _parse(stream, strict_reading(), whole=whole, bare=bare)
        except EOFError:
            raise _truncated(path) from None
        except OSError as error:
            # pydicom's OSError for a cut sequence has no errno; the system's has one.
            if error.errno is not None:
                raise
            raise _truncated(path) from None
        except (*DAMAGE, InvalidDicomError):
            # Files that deviate from the standard are read; truncated files are not.
            header = _read_leniently(stream, path, whole=whole, bare=bare)
        if bare:
            _complete(header, path)
    if _syntax(header) != _DEFLATED and _is_cut(stream, header):
        raise _truncated(path)
    return header


def has_preamble(stream: BinaryIO) -> bool:
    """Return whether a file begins as PS3.10 7.1 says: 128 bytes and a prefix."""
    stream.seek(_PREAMBLE)
    return stream.read(4) == b"DICM"


def _begins_with_element(stream: BinaryIO) -> bool:
    """Return whether a file without preamble begins with an element of a header.

    Older modalities and receivers of C-STORE write the data set alone, in implicit VR as a rule.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(8)
    if len(head) < 8:
        return False
    little, big = struct.unpack("<HH", head[:4]), struct.unpack(">HH", head[:4])
    explicit = head[4:6] in _VRS
    if big[0] in _FIRST_GROUPS and explicit:
        return True
    if little[0] not in _FIRST_GROUPS:
        return False
    return explicit or struct.unpack("<I", head[4:])[0] <= size - 8


def _complete(header: FileDataset, path: Path) -> None:
    """State the transfer syntax that was found, if the data set is one of an instance."""
    from pydicom.uid import (
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
    )

    if not any(keyword in header for keyword in _IN_EVERY_INSTANCE):
        raise _no_dicom(path)
    if "TransferSyntaxUID" in header.file_meta:
        return
    implicit, little = header.original_encoding
    header.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian
        if implicit
        else ExplicitVRLittleEndian
        if little
        else ExplicitVRBigEndian
    )


def _syntax(header: FileDataset) -> str:
    return str(header.file_meta.get("TransferSyntaxUID", ""))


def _is_cut(stream: BinaryIO, header: FileDataset) -> bool:
    """Return whether the last element is cut off, which pydicom accepts."""
    from pydicom.dataelem import RawDataElement

    position, end = stream.tell(), None
    for tag in header.keys():  # noqa: SIM118  (a Dataset iterates over its elements)
        raw = header.get_item(tag)
        end = None
        if isinstance(raw, RawDataElement) and raw.length != _UNDEFINED:
            end = raw.value_tell + raw.length
            if raw.value is not None and len(raw.value) < raw.length:
                return True
    if end is None:
        return False
    # Less than an element's header, but not padding.
    stream.seek(end)
    rest = stream.read(8)
    stream.seek(position)
    return len(rest) < 8 and rest.strip(b"\0") != b""


def _parse(
    stream: BinaryIO, how: AbstractContextManager[object], *, whole: bool, bare: bool
) -> FileDataset:
    """Read a file from its beginning; a deflated one is read whole, however."""
    from pydicom import dcmread

    stream.seek(0)
    with how:
        header = dcmread(stream, stop_before_pixels=not whole, force=bare)
    if _syntax(header) == _DEFLATED and not whole:
        stream.seek(0)
        header = dcmread(stream, force=bare)
    return header


def _read_leniently(
    stream: BinaryIO, path: Path, *, whole: bool, bare: bool
) -> FileDataset:
    from pydicom.errors import InvalidDicomError

    try:
        return _parse(stream, nullcontext(), whole=whole, bare=bare)
    except InvalidDicomError:
        raise _no_dicom(path) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _truncated(path) from None
    except DAMAGE:
        raise SourceError("the DICOM file's header is damaged", path=path) from None


def _no_dicom(path: Path) -> SourceError:
    return SourceError(
        "this is not a DICOM file",
        path=path,
        hint='take the file out of the folder, or skip it with `on_error="skip"`',
    )


def _truncated(path: Path) -> SourceError:
    return SourceError("the DICOM file ends too early", path=path)


def is_directory(header: FileDataset) -> bool:
    """Return whether a file is a DICOMDIR (PS3.10 8.6), which lists others."""
    return bool(header.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY)
