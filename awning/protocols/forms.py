"""multipart/form-data as browsers send it: the fields before the file, then the file's bytes, whatever the blocks. Pure.

Only what stands before the file is kept, and it is bounded; what comes after the file is passed over, as S3 does (RFC 7578).
"""

from __future__ import annotations

import re
from typing import Final

from awning.protocols.errors import NamedError, ServiceError

MOST_BEFORE_FILE: Final = 20 * 1024
"""Bytes before the file's own (S3 API reference, POST Object: "up to 20 KB")."""

_BOUNDARY: Final = re.compile(rb';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER: Final = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:\\"|[^"])*)"|([^\s;"]+))', re.IGNORECASE)
_TRANSFERS: Final = frozenset({"", "7bit", "8bit", "binary"})


def malformed(reason: str) -> ServiceError:
    """The error for a body that is no form."""
    return NamedError(
        "MalformedPOSTRequest", f"The body of your POST request is not well-formed multipart/form-data: {reason}.", 400
    )


def boundary_of(content_type: bytes) -> bytes:
    """Return a multipart/form-data content type's boundary. Raises MalformedPOSTRequest."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise malformed("its Content-Type has no boundary")
    return found[1] or found[2]


class FormParser:
    """Takes a form apart. `feed()` returns what of the file has become known.

    fields: values by lower-case name, those before the file. filename: the file's, without its path. in_file: the file has
    begun, and all fields are there. complete: the file has ended.
    """

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.in_file = False
        self.complete = False
        self.ended = False
        """The form has ended, with or without a file."""
        self.before_file = 0
        """Bytes before the file's first."""
        self._delimiter = b"\r\n--" + boundary
        self.least_after_file = len(self._delimiter) + 2
        """Bytes of the last boundary."""
        self._held = b"\r\n"  # the first delimiter has no line break before it
        self._name: str | None = None
        self._open = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes in. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceededError, InvalidArgument."""
        if self.ended:
            return b""
        self._held += data
        if self.in_file:
            return self._file()
        while not self.ended and not self.in_file and self._step():
            continue
        self.before_file += len(data)
        if self.in_file:
            self.before_file -= len(self._held)
        if self.before_file > MOST_BEFORE_FILE and not self.ended:
            raise NamedError(
                "MaxPostPreDataLengthExceededError",
                "Your POST request fields preceding the upload file were too large.",
            )
        return self._file() if self.in_file else b""

    def finish(self) -> None:
        """The body has ended. Raises MalformedPOSTRequest where the form has not."""
        if not self.ended:
            raise malformed("it ends before its last boundary")

    def _step(self) -> bool:
        """Get one token further; False where more bytes are needed."""
        return self._value() if self._name is not None else self._head() if self._open else self._first()

    def _first(self) -> bool:
        at = self._held.find(self._delimiter)
        if at < 0:
            return False
        self._held = self._held[at + len(self._delimiter) :]
        self._open = True
        return True

    def _head(self) -> bool:
        """Read what follows a delimiter: the end of the form, or the next part's header."""
        held = self._held
        if held.startswith(b"--"):
            self.ended = True
            return True
        if len(held) < 2:
            return False
        line = held.find(b"\r\n")
        if line < 0:
            return False
        if held[:line].strip(b" \t"):
            raise malformed("a boundary is followed by something else")
        end = held.find(b"\r\n\r\n", line)
        if end < 0:
            return False
        name, filename = _read_head(held[line + 2 : end])
        if name == "file":
            self.filename = filename.replace("\\", "/").rpartition("/")[2]
            self._held = held[end + 4 :]
            self.in_file = True
            return True
        if name in self.fields:
            raise NamedError(
                "InvalidArgument", f"POST requires exactly one {name} field.", ArgumentName=name, ArgumentValue="2"
            )
        self._name = name
        self._held = held[end + 4 :]
        return True

    def _value(self) -> bool:
        at = self._held.find(self._delimiter)
        if at < 0:
            return False
        assert self._name is not None
        try:
            self.fields[self._name] = self._held[:at].decode("utf-8")
        except UnicodeDecodeError:
            raise malformed(f"the field {self._name} is not UTF-8") from None
        self._held = self._held[at + len(self._delimiter) :]
        self._name = None
        return True

    def _file(self) -> bytes:
        held, delimiter = self._held, self._delimiter
        at = held.find(delimiter)
        if at >= 0:
            follows = held[at + len(delimiter) : at + len(delimiter) + 2]
            if len(follows) < 2:
                self._held = held[at:]
                return held[:at]
            if follows not in (b"--", b"\r\n") and follows[0] not in b" \t":
                raise malformed("a boundary is followed by something else")
            self.complete = self.ended = True
            self._held = b""
            return held[:at]
        keep = len(delimiter) - 1
        self._held = held[-keep:]
        return held[:-keep]


def _read_head(head: bytes) -> tuple[str, str]:
    """Return a part's name, in lower case, and its file's name. Raises MalformedPOSTRequest."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("a part's header is not UTF-8") from None
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in text.split("\r\n"))
    }
    disposition = headers.get("content-disposition", "")
    if disposition.partition(";")[0].strip().lower() != "form-data":
        raise malformed("a part has no Content-Disposition of form-data")
    if headers.get("content-transfer-encoding", "").lower() not in _TRANSFERS:
        raise NamedError("NotImplemented", "A Content-Transfer-Encoding of a form's part is not implemented.", 501)
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(disposition):
        found.setdefault(name.lower(), plain or quoted.replace('\\"', '"'))
    if not found.get("name"):
        raise malformed("a part has no name")
    return found["name"].lower(), found.get("filename", "")
