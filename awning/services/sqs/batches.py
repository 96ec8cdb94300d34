"""Batches: up to ten entries, each of which succeeds or fails by itself.

What is wrong with a batch as a whole is found before any entry runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from awning.kit.errors import ServiceError
from awning.services.sqs.errors import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    TooManyEntriesInBatchRequest,
)

BATCH = 10
"""The most messages of one call."""

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")

Entry = dict[str, Any]


def check_entries(entries: list[Entry], kind: str) -> None:
    """Raises what is wrong with a batch as a whole."""
    if not entries:
        raise EmptyBatchRequest(f"There should be at least one {kind} in the request.")
    if len(entries) > BATCH:
        raise TooManyEntriesInBatchRequest(
            f"Maximum number of entries per request are {BATCH}. You have sent {len(entries)}."
        )
    ids = [entry["Id"] for entry in entries]
    for position, id in enumerate(ids):
        if not _ENTRY_ID.fullmatch(id):
            raise InvalidBatchEntryId(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long."
            )
        if id in ids[:position]:
            raise BatchEntryIdsNotDistinct(f"Id {id} repeated.")


def each(entries: list[Entry], run: Callable[[Entry], Mapping[str, Any] | None]) -> dict[str, Any]:
    """Run each entry of a batch. `run` raises before it changes anything, so a failed entry leaves nothing behind."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **(run(entry) or {})})
        except ServiceError as error:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
    result: dict[str, Any] = {"Successful": successful}
    if failed:
        result["Failed"] = failed
    return result
