"""Tagging and untagging anything of IAM's, and pages of tags: the same for users, roles, policies and all other resources.

Keys of users' and roles' tags differ not by case alone; those of all others may, and are listed by length first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awning.kit.call import Call
from awning.services.iam import resource_tables, tables
from awning.services.iam.names import drop_tags, merge_tags, read_tags, write_tags
from awning.services.iam.pages import page_of
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tables import Entity, Policy

Tagged = Entity | Policy | Resource


def tag(call: Call, thing: Tagged, tags: Sequence[Mapping[str, str]]) -> None:
    """Add tags, or give them new values. Raises InvalidInput, LimitExceeded, ValidationError."""
    folded = isinstance(thing, Entity)
    _store(call, thing, merge_tags(thing.tags, read_tags(tags, folded), folded))


def untag(call: Call, thing: Tagged, keys: Sequence[str]) -> None:
    """Remove tags; one that is not there is no error."""
    _store(call, thing, drop_tags(thing.tags, keys, isinstance(thing, Entity)))


def tags_page(thing: Tagged, marker: str | None, max_items: int | None) -> dict[str, Any]:
    """A page of a thing's tags by key, as replies have it."""
    order = str if isinstance(thing, Entity) else _by_length
    found, more = page_of(sorted(thing.tags, key=order), marker, max_items, order)
    return {"Tags": write_tags({key: thing.tags[key] for key in found}), **more}


def _by_length(key: str) -> str:
    return f"{len(key):03}{key}"


def _store(call: Call, thing: Tagged, tags: Mapping[str, str]) -> None:
    if isinstance(thing, Entity):
        tables.set_entity_tags(call.db, thing.row, tags)
    elif isinstance(thing, Policy):
        tables.set_policy_tags(call.db, thing.row, tags)
    else:
        resource_tables.set_tags(call.db, thing.row, tags)
