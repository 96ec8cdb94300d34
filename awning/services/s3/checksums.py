"""Checksums: what a request asks for, how each algorithm is computed, and how parts' checksums become an object's.

Rules from the S3 user guide, "Checking object integrity". Nothing here reads a body or a table.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from awscrt import checksums as crt

from awning.services.s3 import errors

if TYPE_CHECKING:
    from awning.kit.call import Call

FULL_OBJECT: Final = "FULL_OBJECT"
COMPOSITE: Final = "COMPOSITE"


class Hasher(Protocol):
    """Something that blocks are fed to; hashlib's objects are such."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A running CRC."""

    __slots__ = ("function", "size", "value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self.function = function
        self.size = size
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = self.function(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self.size, "big")


class _XxHash:
    """A running XXHash; its digest is the canonical, big-endian one."""

    __slots__ = ("hash",)

    def __init__(self, running: Any) -> None:
        self.hash = running

    def update(self, data: bytes, /) -> None:
        self.hash.update(data)

    def digest(self) -> bytes:
        result: bytes = self.hash.finalize()
        return result


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One checksum algorithm. `size` in bytes of the digest; `types` a multipart upload may use, its default first."""

    name: str
    size: int
    of: Callable[[bytes], bytes]
    new: Callable[[], Hasher]
    types: tuple[str, ...] = (COMPOSITE,)
    combine: Callable[[int, int, int], int] | None = None
    index: int = 0

    @property
    def member(self) -> str:
        """The model's member, ChecksumCRC32."""
        return f"Checksum{self.name}"

    @property
    def header(self) -> str:
        return f"x-amz-checksum-{self.name.lower()}"


def _crc(
    name: str,
    index: int,
    size: int,
    function: Callable[..., int],
    combine: Callable[[int, int, int], int],
    types: tuple[str, ...],
) -> Algorithm:
    return Algorithm(
        name,
        size,
        lambda data: function(data).to_bytes(size, "big"),
        lambda: _Crc(function, size),
        types,
        combine,
        index,
    )


def _sha(name: str, index: int, new: Callable[..., Any]) -> Algorithm:
    def fresh() -> Hasher:
        hasher: Hasher = new(usedforsecurity=False)
        return hasher

    return Algorithm(name, fresh_size(new), lambda data: bytes(new(data).digest()), fresh, index=index)


def fresh_size(new: Callable[..., Any]) -> int:
    """Return the digest size in bytes of one of hashlib's constructors."""
    return int(new().digest_size)


def _xxhash(name: str, index: int, size: int, of: Callable[[bytes], bytes], new: Callable[[], Any]) -> Algorithm:
    return Algorithm(name, size, of, lambda: _XxHash(new()), index=index)


# The order is stored (Kind): only ever append.
ALGORITHMS: Final[tuple[Algorithm, ...]] = (
    _crc("CRC64NVME", 0, 8, crt.crc64nvme, crt.combine_crc64nvme, (FULL_OBJECT,)),
    _crc("CRC32", 1, 4, crt.crc32, crt.combine_crc32, (COMPOSITE, FULL_OBJECT)),
    _crc("CRC32C", 2, 4, crt.crc32c, crt.combine_crc32c, (COMPOSITE, FULL_OBJECT)),
    _sha("SHA1", 3, hashlib.sha1),
    _sha("SHA256", 4, hashlib.sha256),
    _sha("SHA512", 5, hashlib.sha512),
    _sha("MD5", 6, hashlib.md5),
    _xxhash("XXHASH64", 7, 8, crt.XXHash.compute_xxhash64, crt.XXHash.new_xxhash64),
    _xxhash("XXHASH3", 8, 8, crt.XXHash.compute_xxhash3_64, crt.XXHash.new_xxhash3_64),
    _xxhash("XXHASH128", 9, 16, crt.XXHash.compute_xxhash3_128, crt.XXHash.new_xxhash3_128),
)
DEFAULT: Final = ALGORITHMS[0]
BY_NAME: Final = {algorithm.name: algorithm for algorithm in ALGORITHMS}
NAMES: Final = frozenset(BY_NAME)
_BY_HEADER: Final = {algorithm.header: algorithm for algorithm in ALGORITHMS}


def kind_of(algorithm: Algorithm, type_: str) -> int:
    """Return algorithm and type as the one small number that tables keep."""
    return algorithm.index * 2 + (type_ == COMPOSITE)


def algorithm_of(kind: int) -> Algorithm:
    return ALGORITHMS[kind >> 1]


def type_of(kind: int) -> str:
    return COMPOSITE if kind & 1 else FULL_OBJECT


def encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


@dataclass(slots=True)
class Wanted:
    """What is to be computed over a body, and what it must be.

    `expected` is the digest of a header; `trailer` the name of the trailing header that will bring it. `asked` says that
    the client spoke of a checksum at all.
    """

    algorithm: Algorithm = DEFAULT
    expected: bytes | None = None
    trailer: str | None = None
    asked: bool = False

    def check(self, computed: bytes, trailers: dict[str, str]) -> None:
        """Compare with what came before and after the body. Raises BadDigest, InvalidRequest, MalformedTrailerError."""
        expected = self.expected
        if self.trailer is not None:
            text = trailers.get(self.trailer)
            if text is None:
                raise errors.MalformedTrailerError("The request contained trailing data that was not well-formed.")
            expected = decode(self.algorithm, text, "trailing header")
        if expected is not None and expected != computed:
            raise errors.BadDigest(f"The {self.algorithm.name} you specified did not match the calculated checksum.")


def decode(algorithm: Algorithm, text: str, place: str = "header") -> bytes:
    """Return the digest that a header (or what else it stood in) gives in base64. Raises InvalidRequest."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != algorithm.size:
        raise errors.InvalidRequest(f"Value for {algorithm.header} {place} is invalid.")
    return value


def wanted(call: Call, named: str | None, values: Sequence[str | None]) -> Wanted:
    """Return what a request with a body asks for. `values` are the ten checksum headers in the order of ALGORITHMS;
    `named` is x-amz-sdk-checksum-algorithm. Raises InvalidRequest."""
    result = Wanted()
    for algorithm, text in zip(ALGORITHMS, values, strict=True):
        if text is not None:
            if result.asked:
                raise _several()
            result = Wanted(algorithm, decode(algorithm, text), None, True)
    announced = call.facts.headers.get(b"x-amz-trailer")
    if announced is not None:
        trailer = announced.decode("latin-1").strip().lower()
        found = _BY_HEADER.get(trailer)
        if found is None:
            raise errors.InvalidRequest("The value specified in the x-amz-trailer header is not supported")
        if result.asked:
            raise _several()
        result = Wanted(found, None, trailer, True)
    if named is not None:
        if not result.asked:
            raise errors.InvalidRequest(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                "headers were found."
            )
        if named != result.algorithm.name:
            raise errors.InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return result


def whole(values: Sequence[str | None], kind: int, parts: int) -> Wanted:
    """Return the checksum that a completion states for the whole object; a composite one may carry its `-N`.

    Raises InvalidRequest.
    """
    given = [(algorithm, text) for algorithm, text in zip(ALGORITHMS, values, strict=True) if text is not None]
    if not given:
        return Wanted()
    if len(given) > 1:
        raise _several()
    algorithm, text = given[0]
    if kind & 1:
        text = text.removesuffix(f"-{parts}")
    return Wanted(algorithm, decode(algorithm, text), None, True)


def _several() -> errors.InvalidRequest:
    return errors.InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")


def content_md5(text: str | None) -> bytes | None:
    """Return the digest of a Content-MD5 header. Raises InvalidDigest."""
    if text is None:
        return None
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != 16:
        raise errors.InvalidDigest(text)
    return value


def bad_md5(expected: bytes, computed: bytes) -> errors.BadDigest:
    return errors.BadDigest(
        "The Content-MD5 you specified did not match what we received.",
        ExpectedDigest=expected.hex(),
        CalculatedDigest=encode(computed),
    )


def of_parts(kind: int, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Return an object's checksum from its parts' (digest, size): combined, or the digest of the digests."""
    algorithm = algorithm_of(kind)
    if kind & 1:
        return algorithm.of(b"".join(digest for digest, _ in parts))
    if algorithm.combine is None:
        raise ValueError(f"{algorithm.name} has no full-object form")
    value = 0
    for digest, size in parts:
        value = algorithm.combine(value, int.from_bytes(digest, "big"), size)
    return value.to_bytes(algorithm.size, "big")


def shown(kind: int, value: bytes | None, parts: int = 0) -> dict[str, str]:
    """Return the members that show a checksum: ChecksumCRC32 and ChecksumType.

    parts: gives a composite one its suffix, which GetObjectAttributes and the reads of one part leave out.
    """
    if value is None:
        return {}
    text = encode(value)
    if kind & 1 and parts:
        text = f"{text}-{parts}"
    return {algorithm_of(kind).member: text, "ChecksumType": type_of(kind)}
