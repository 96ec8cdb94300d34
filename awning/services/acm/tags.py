"""Tags of certificates. A tag may have no value, which is not the empty one.

Source: the user guide's "Tag AWS Certificate Manager resources" and the API reference of each action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables
from awning.services.acm.errors import TooManyTagsException, ValidationException
from awning.services.acm.lookup import arn, find

_MOST: Final = 50


def read_tags(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str | None]:
    """Return a request's tags by their keys. Raises ValidationException, TooManyTagsException."""
    found = {tag["Key"]: tag.get("Value") for tag in tags or ()}
    if any(key.lower().startswith("aws:") for key in found):
        raise ValidationException("AWS internal tags cannot be changed with this API")
    _check_count(found)
    return found


def _check_count(tags: Mapping[str, str | None]) -> None:
    if len(tags) > _MOST:
        shown = ", ".join(f"{key}={value or ''}" for key, value in tags.items())
        raise TooManyTagsException(f"the TagSet: '{{{shown}}}' contains too many Tags")


@operation(Needs("acm:AddTagsToCertificate", arn), honours={"tags": ALL}, tags="tags")
def add_tags_to_certificate(call: Call, certificate_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a certificate, or give them other values."""
    row = find(call, certificate_arn)
    after = {**row.tags, **read_tags(tags)}
    _check_count(after)
    tables.update(call.db, row.id, tags=after)


@operation(Needs("acm:RemoveTagsFromCertificate", arn), honours={"tags": ALL}, tags="tags")
def remove_tags_from_certificate(call: Call, certificate_arn: str, tags: list[dict[str, str]]) -> None:
    """Take tags from a certificate; one that is named with a value only where it has this value."""
    row = find(call, certificate_arn)
    gone = read_tags(tags)
    left = {key: value for key, value in row.tags.items() if key not in gone or gone[key] not in (None, value)}
    tables.update(call.db, row.id, tags=left)


@operation(Needs("acm:ListTagsForCertificate", arn), reads=True)
def list_tags_for_certificate(call: Call, certificate_arn: str) -> dict[str, Any]:
    """Return a certificate's tags."""
    tags = find(call, certificate_arn).tags
    return {"Tags": [{"Key": key} if value is None else {"Key": key, "Value": value} for key, value in tags.items()]}
