"""The models that this process has: read from botocore once, kept in a compact form in the cache folder.

A cache file that cannot be read, or that does not have the checksum it starts with, is built again. Where the installed botocore
is older than the models that awning comes with, these count: clients of any age may share an environment with it.
"""

from __future__ import annotations

import gzip
import logging
import os
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import botocore
import orjson

from awning.protocols.model import Model
from awning.protocols.sqs_query import query_copy

FORMAT: Final = 2
"""Raised when what `strip` keeps changes."""

# fmt: off
_KEPT: Final = frozenset({
    "type", "shape", "members", "member", "key", "value", "required", "enum", "min", "max", "pattern", "location",
    "locationName", "flattened", "streaming", "payload", "timestampFormat", "xmlNamespace", "xmlAttribute",
    "eventstream", "event", "eventpayload", "eventheader", "error", "exception", "fault", "union", "document",
    "idempotencyToken", "jsonvalue", "hostLabel", "queryName", "box",
})
_METADATA: Final = frozenset({
    "apiVersion", "endpointPrefix", "jsonVersion", "protocol", "protocols", "serviceId", "targetPrefix", "uid",
    "xmlNamespace", "awsQueryCompatible",
})
# fmt: on
_OPERATION: Final = frozenset({"name", "http", "input", "output", "errors", "deprecated", "httpChecksum", "authtype"})

_NAMES: Final = {"type": "list", "member": {"shape": "String", "locationName": "AttributeName"}, "flattened": True}
_ARN: Final = {"type": "string", "max": 1011}
_WIDER: Final[Mapping[str, Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]]]] = {
    "sqs": {("ReceiveMessageRequest", "AttributeNames"): ("ReceivedAttributeNameList", _NAMES)},
    "s3control": {
        **{
            (f"{name}Request", "ResourceArn"): ("TaggedResourceArn", _ARN)
            for name in ("TagResource", "UntagResource", "ListTagsForResource")
        },
        ("CreateAccessPointRequest", "Name"): ("NewAccessPointName", {"type": "string", "max": 255}),
    },
}
"""Members that take more than they are modelled with: those names are messages' attributes, the modelled enum has queues'; and
buckets have tags too, though the modelled pattern leaves their ARNs, which name no region, out. Of access points' names S3 itself
says what is wrong with them."""
_JUDGED: Final = {"s3": ("Event", "FilterRuleName")}
"""Enums whose other values the service answers in its own words, or takes (a filter's names are written in any case)."""

SHIPPED: Final = Path(__file__).parent / "models"
"""A compact model for each room, and in VERSION the botocore that they are from. Written by `python -m tools.models`."""

_log = logging.getLogger("awning.protocols")


class Checked(Protocol):
    """A room as it is verified: `check()` binds all of its operations, `forget()` lets go of what that took; `stamp()` changes
    when they may have."""

    name: str

    def check(self) -> None: ...

    def forget(self) -> None: ...

    def stamp(self) -> str: ...


class Registry:
    """Models by service, loaded when first asked for. `cache` is a folder that may be deleted at any time, or None."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._models: dict[tuple[str, tuple[str, ...]], Model] = {}

    def model(self, service: str, protocols: tuple[str, ...]) -> Model:
        """Return the model of botocore's `service`, served in these wire formats. Raises LookupError for an unknown one."""
        known = self._models.get((service, protocols))
        if known is None:
            known = self._models[service, protocols] = build(service, protocols, self._description(service))
        return known

    def verify(self, rooms: Iterable[Checked]) -> None:
        """Match what rooms declare with their models, before any request comes. Raises CoverageError, LookupError.

        What was found to fit is noted in the cache, so that the next start need not look. No model stays loaded.
        """
        for room in rooms:
            note = None if self._cache is None else self._cache / f"{room.name}-{_newest()}-{FORMAT}.fits"
            stamp = room.stamp()
            if note is not None and _read_note(note) == stamp:
                continue
            room.check()
            room.forget()
            self._models.clear()
            if note is not None:
                _write(note, stamp.encode())

    def _description(self, service: str) -> dict[str, Any]:
        if self._cache is None:
            return describe(service)
        file = self._cache / f"{service}-{version(service)}-{FORMAT}.model"
        found = _read_cache(file)
        if found is None:
            found = describe(service)
            _write_cache(file, found)
        return found


def build(service: str, protocols: tuple[str, ...], description: dict[str, Any]) -> Model:
    """Build a Model from a stripped description; a JSON service's old query form gets a description of its own."""
    for (shape, member), (wider, made) in _WIDER.get(service, {}).items():
        description["shapes"][shape]["members"][member]["shape"] = wider
        description["shapes"][wider] = dict(made)
    for shape in _JUDGED.get(service, ()):
        description["shapes"][shape]["judged"] = True
    forms = {}
    for protocol in protocols:
        old = protocol == "query" and "query" not in spoken(description["metadata"])
        forms[protocol] = query_copy(service, description) if old else description
    return Model(service, protocols, forms)


def spoken(metadata: dict[str, Any]) -> list[str]:
    """The formats that a model is written for: the newest first."""
    found: list[str] = metadata.get("protocols") or [metadata["protocol"]]
    return found


def version(service: str) -> str:
    """The version of botocore that a service's model is from: the installed one, or the one that awning comes with."""
    found: str = shipped_version() if _is_shipped(service) else botocore.__version__
    return found


def shipped_version() -> str:
    """The botocore that the models are from with which awning comes."""
    return (SHIPPED / "VERSION").read_text("ascii").strip()


def _newest() -> str:
    """Under what the rooms' check is noted: the models of all rooms follow from it."""
    found: str = max(botocore.__version__, shipped_version(), key=_numbers)
    return found


def describe(service: str) -> dict[str, Any]:
    """Return a service's stripped description, from whichever is newer. Raises LookupError for an unknown service."""
    if not _is_shipped(service):
        return strip(read_botocore(service))
    found: dict[str, Any] = orjson.loads(gzip.decompress(shipped_file(service).read_bytes()))
    return found


def shipped_file(service: str) -> Path:
    """Where a service's model is kept in the package."""
    return SHIPPED / f"{service}.json.gz"


def _is_shipped(service: str) -> bool:
    return _numbers(botocore.__version__) < _numbers(shipped_version()) and shipped_file(service).is_file()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def read_botocore(service: str) -> dict[str, Any]:
    """Return botocore's own description of a service, newest version, its extras merged in. Raises LookupError."""
    folder = Path(botocore.__file__).parent / "data" / service
    versions = sorted(
        path
        for path in folder.glob("*")
        if (path / "service-2.json.gz").is_file() or (path / "service-2.json").is_file()
    )
    if not versions:
        raise LookupError(f"botocore {botocore.__version__} has no service {service!r}")
    packed = versions[-1] / "service-2.json.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.is_file() else (versions[-1] / "service-2.json").read_bytes()
    description: dict[str, Any] = orjson.loads(text)
    extras = versions[-1] / "service-2.sdk-extras.json"
    if extras.is_file():
        _merge(description, orjson.loads(extras.read_bytes()).get("merge", {}))
    if service == "sqs":
        _let_messages_attributes_be_asked_for(description["shapes"])
    return description


def _let_messages_attributes_be_asked_for(shapes: dict[str, Any]) -> None:
    """ReceiveMessage's AttributeNames name a message's attributes, but the model types them as a queue's."""
    enum = shapes["QueueAttributeName"]["enum"]
    enum += [name for name in shapes["MessageSystemAttributeName"]["enum"] if name not in enum]


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def strip(description: dict[str, Any]) -> dict[str, Any]:
    """Return only what the wire formats need of a description: no documentation, endpoints or examples."""
    return {
        "metadata": {name: value for name, value in description["metadata"].items() if name in _METADATA},
        "operations": {
            name: {
                key: _reference(value) if key in ("input", "output") else value
                for key, value in operation.items()
                if key in _OPERATION
            }
            for name, operation in description["operations"].items()
        },
        "shapes": {name: _shape(shape) for name, shape in description["shapes"].items()},
    }


def _reference(value: dict[str, Any]) -> dict[str, Any]:
    return {name: trait for name, trait in value.items() if name in _KEPT or name == "resultWrapper"}


def _shape(shape: dict[str, Any]) -> dict[str, Any]:
    kept = _reference(shape)
    if "members" in kept:
        kept["members"] = {name: _reference(member) for name, member in kept["members"].items()}
    for part in ("member", "key", "value"):
        if part in kept:
            kept[part] = _reference(kept[part])
    return kept


def _read_cache(file: Path) -> dict[str, Any] | None:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("cannot read %s: %s; building it again", file, error)
        return None
    try:
        if int(content[:8], 16) != zlib.crc32(content[8:]):
            raise ValueError("its checksum is wrong")
        found: dict[str, Any] = orjson.loads(content[8:])
    except ValueError as error:
        _log.warning("%s is damaged: %s; building it again", file, error)
        return None
    return found


def _read_note(file: Path) -> str | None:
    try:
        return file.read_text("ascii")
    except (OSError, ValueError):
        return None  # it is only checked again


def _write_cache(file: Path, description: dict[str, Any]) -> None:
    body = orjson.dumps(description)
    _write(file, b"%08x" % zlib.crc32(body) + body)


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".model")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            os.replace(name, file)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        _log.warning("cannot keep %s: %s", file, error)
