"""Settings: what a bucket is configured with, a JSON value by name; one document for each bucket that has any.

A document stands under an id that never names another one, so what is made of it is kept by the id and never goes out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from awning.kit.call import Call
from awning.services.s3 import bucket_tables
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.memory import Settings

T = TypeVar("T")


def of(call: Call, bucket: Bucket) -> Mapping[str, Any]:
    """Return what a bucket is configured with."""
    found = _find(call, bucket)
    return {} if found is None else found.values


def compiled(call: Call, bucket: Bucket, name: str, compile: Callable[[Any], T]) -> T | None:
    """Return what `compile` makes of one setting, once for each document; None where it is not set."""
    found = _find(call, bucket)
    if found is None or name not in found.values:
        return None
    if name not in found.compiled:
        found.compiled[name] = compile(found.values[name])
    made: T = found.compiled[name]
    return made


def put(call: Call, bucket: Bucket, name: str, value: Any | None) -> None:
    """Configure a bucket with a JSON value, or with None no more. Runs in a batch."""
    old, document = bucket_tables.settings_in(call.db, bucket.bucket)
    values = orjson.loads(document) if document else {}
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value
    made = call.new_id() if values else None
    bucket_tables.set_settings(call.db, bucket.bucket, old, made, orjson.dumps(values))
    call.after(call.memory.known.clear)


def _find(call: Call, bucket: Bucket) -> Settings | None:
    if bucket.settings is None:
        return None
    found: Settings | None = call.memory.settings.get(bucket.settings)
    if found is None:
        id_, document = bucket_tables.settings_in(call.db, bucket.bucket)
        if id_ is None or document is None:
            return None
        found = Settings(orjson.loads(document), {})
        call.memory.keep_settings(id_, found)
    return found
