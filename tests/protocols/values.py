"""Values for a shape of a model, made from a seed: valid ones, small, with every member now and then."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from awning.protocols.shapes import Shape

_PATTERNED = {
    r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$": "my-alias",
    r"^o-[a-z0-9]{10,32}$": "o-abcdefghij",
    r"\d{12}": "123456789012",
    r"^o-[0-9a-z]{10,32}\/r-[0-9a-z]{4,32}[0-9a-z-\/]*": "o-abcdefghij/r-abcd/ou-abcd",
    r"^p-[0-9a-zA-Z_]{8,128}$": "p-abcdefgh",
    r"\u002F[\u0021-\u007F]*": "/division/",
    r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)": "/division/",
    r"((/[A-Za-z0-9\.,\+@=_-]+)*)/": "/division/",
    r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?": "v12",
    r"/[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*/": "/division/",
    r"^http(s?)://[a-zA-Z0-9._/-]*(\?[a-zA-Z0-9._=&-]*)?(#[a-zA-Z0-9._/-]*)?$": "https://example.com/a?b=c",
    r"\/?.+\/.+": "bucket/key",
    r"arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+": "arn:aws:kms:eu-west-1:123456789012:key/a",
    r"arn:[^:]+:(s3|s3express):.*": "arn:aws:s3:::bucket",
    r"[\d]*": "123456",
    r"[\d]+": "123456",
    r"[A-Z0-9]+": "AB12",
    r"[\w]*": "AKIAIOSFODNN7EXAMPLE",
    r"[\w]+": "AKIAIOSFODNN7EXAMPLE",
}
_TEXTS = ["a", "jobs.fifo", "<a&\"b'>", "grüße 東京", "line\none", " padded ", "x" * 40, "a.b/c+d%20=e"]


class Values:
    """Makes values; each is as boto3 would take it, timestamps are whole seconds in UTC."""

    def __init__(self, seed: int, *, full: bool = False) -> None:
        self._random = random.Random(seed)
        self._full = full

    def of(self, shape: Shape, depth: int = 0) -> Any:
        """Return a value of this shape."""
        return getattr(self, f"_{shape.kind}")(shape, depth)

    def _structure(self, shape: Shape, depth: int) -> dict[str, Any]:
        if shape.traits.get("union"):
            name = self._random.choice(list(shape.members))
            return {name: self.of(shape.members[name], depth + 1)}
        found = {}
        for name, member in shape.members.items():
            wanted = self._full or self._random.random() < 0.6
            if name in shape.required or (wanted and depth < 7):
                found[name] = self.of(member, depth + 1)
        if not found and shape.members and depth:
            name = next(iter(shape.members))  # an empty structure cannot be said in a form
            found[name] = self.of(shape.members[name], depth + 1)
        return found

    def _list(self, shape: Shape, depth: int) -> list[Any]:
        low = max(shape.traits.get("min", 0), 1)
        high = min(shape.traits.get("max", low + 2), low + 2)
        return [self.of(shape.item, depth + 1) for _ in range(self._random.randint(low, high))]

    def _map(self, shape: Shape, depth: int) -> dict[str, Any]:
        if shape.location == "headers":
            return {"key-one": "value", "key2": "v 2"}
        count = self._random.randint(1, 3)
        return {self.of(shape.key, depth + 1): self.of(shape.value, depth + 1) for _ in range(count)}

    def _string(self, shape: Shape, depth: int) -> str:
        if shape.enum:
            return self._random.choice(shape.enum)
        low, high = shape.traits.get("min") or 0, shape.traits.get("max", 10_000)
        pattern = shape.traits.get("pattern")
        if pattern is None and shape.location != "header":
            text = self._random.choice(_TEXTS)
        else:
            text = _PATTERNED.get(pattern or "", "".join(self._random.choices(string.ascii_letters, k=8)))
        text = text[:high]
        return text if len(text) >= low else (text * low)[:low]

    def _integer(self, shape: Shape, depth: int) -> int:
        return self._random.randint(shape.traits.get("min", -3), min(shape.traits.get("max", 5000), 5000))

    def _long(self, shape: Shape, depth: int) -> int:
        return self._random.choice([0, 17, 1 << 40])

    def _boolean(self, shape: Shape, depth: int) -> bool:
        return self._random.random() < 0.5

    def _float(self, shape: Shape, depth: int) -> float:
        return self._random.choice([0.0, -2.5, 1e10, 0.125])

    def _double(self, shape: Shape, depth: int) -> float:
        return self._random.choice([0.0, -2.5, 1e300, 0.1])

    def _document(self, shape: Shape, depth: int) -> Any:
        return {"a": [1, {"b": "c"}, None], "d": {"e": True}}

    def _blob(self, shape: Shape, depth: int) -> bytes:
        return self._random.randbytes(max(self._random.randint(0, 20), shape.traits.get("min") or 0))

    def _timestamp(self, shape: Shape, depth: int) -> datetime:
        return datetime.fromtimestamp(self._random.randint(0, 2_000_000_000), UTC)


def as_got(name: str, value: Any) -> Any:
    """A request's member as an operation gets it: dates that a service keeps as they came are texts."""
    if name in ("Expires", "ResponseExpires") and isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return plain(value)


def plain(value: Any) -> Any:
    """The same value with datetimes as seconds since the epoch, as our parser gives them."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.timestamp() if isinstance(value, datetime) else value
