"""SAML providers: whose assertions this account takes, by the metadata document that says who signs them.

A document may be large: it is read in a thread, and only then is anything changed.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from awning.contracts import FindSamlProvider, SamlProvider
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.iam import lookup, provider_tables, resource_tables
from awning.services.iam.errors import (
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from awning.services.iam.names import read_tags, write_tags
from awning.services.iam.quotas import SAML_PROVIDERS
from awning.services.iam.resource_tables import Resource
from awning.services.iam.saml_metadata import BadMetadata, Metadata, read_metadata
from awning.services.iam.tagging import tag, tags_page, untag

_KIND: Final = "saml-provider"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_CENTURY: Final = 100 * 365.25 * 86_400
"""How long a document is good that does not say so, in seconds."""


def _arn(call: Call, params: Params) -> str:
    value: str = params["saml_provider_arn"]
    return value


def _new_arn(call: Call, params: Params) -> str:
    return f"arn:aws:iam::{call.account}:{_KIND}/{params['name']}"


@operation(
    Needs("iam:CreateSAMLProvider", _new_arn),
    Needs("iam:TagSAMLProvider", lambda call, params: _new_arn(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    defaults={"assertion_encryption_mode": "Allowed"},
    tags="tags",
    context=lookup.conditions,
)
async def create_saml_provider(
    call: Call, saml_metadata_document: str, name: str, tags: list[dict[str, str]] | None = None
) -> Any:
    """Take the assertions of the identity provider that a metadata document describes. Keys for encrypted ones are refused.

    Raises ValidationError, InvalidInput, EntityAlreadyExists, LimitExceeded.
    """
    if not _NAME.fullmatch(name):
        raise ValidationError("The specified value for name is invalid. It may have letters, digits and . _ -")
    metadata = await _read(saml_metadata_document)
    return await call.commit(_create, name, saml_metadata_document, metadata, tags)


def _create(
    call: Call, name: str, document: str, metadata: Metadata, tags: list[dict[str, str]] | None
) -> dict[str, Any]:
    if resource_tables.find(call.db, call.account, _KIND, name) is not None:
        raise EntityAlreadyExists(f"Provider with name {name} already exists.")
    if resource_tables.count(call.db, call.account, _KIND) >= SAML_PROVIDERS:
        raise LimitExceeded(f"Cannot exceed quota for SAMLProvidersPerAccount: {SAML_PROVIDERS}")
    provider = Resource(
        0, call.account, _KIND, name, "/", "SAMLSP" + call.new_token(16), call.now, read_tags(tags, folded=False),
        facts=_facts(call, metadata),
    )  # fmt: skip
    resource_tables.add(call.db, provider)
    provider_tables.put_metadata(call.db, _find(call, provider.arn).row, document)
    made: dict[str, Any] = {"SAMLProviderArn": provider.arn}
    return made | ({"Tags": write_tags(provider.tags)} if tags else {})


@operation(Needs("iam:GetSAMLProvider", _arn), reads=True, context=lookup.conditions)
def get_saml_provider(call: Call, saml_provider_arn: str) -> dict[str, Any]:
    """Show a provider with its metadata document."""
    provider = _find(call, saml_provider_arn)
    return {
        "SAMLProviderUUID": provider.id,
        "SAMLMetadataDocument": provider_tables.metadata_of(call.db, provider.row),
        "CreateDate": provider.created,
        "ValidUntil": provider.facts["valid_until"],
        "Tags": write_tags(provider.tags),
        "AssertionEncryptionMode": "Allowed",
        "PrivateKeyList": [],
    }


@operation(Needs("iam:ListSAMLProviders", "*"), reads=True)
def list_saml_providers(call: Call) -> dict[str, Any]:
    """List the account's providers, at most its quota of them."""
    found = resource_tables.listed(call.db, call.account, _KIND)
    described = [
        {"Arn": provider.arn, "ValidUntil": provider.facts["valid_until"], "CreateDate": provider.created}
        for provider in found
    ]
    return {"SAMLProviderList": described}


@operation(
    Needs("iam:UpdateSAMLProvider", _arn), context=lookup.conditions, defaults={"assertion_encryption_mode": "Allowed"}
)  # fmt: skip
async def update_saml_provider(call: Call, saml_provider_arn: str, saml_metadata_document: str | None = None) -> Any:
    """Replace a provider's metadata document; its keys count from now on."""
    metadata = None if saml_metadata_document is None else await _read(saml_metadata_document)
    return await call.commit(_update, saml_provider_arn, saml_metadata_document, metadata)


def _update(call: Call, arn: str, document: str | None, metadata: Metadata | None) -> dict[str, Any]:
    provider = _find(call, arn)
    if document is not None and metadata is not None:
        resource_tables.set_facts(call.db, provider.row, _facts(call, metadata))
        provider_tables.put_metadata(call.db, provider.row, document)
    return {"SAMLProviderArn": provider.arn}


@operation(Needs("iam:DeleteSAMLProvider", _arn), context=lookup.conditions)
def delete_saml_provider(call: Call, saml_provider_arn: str) -> None:
    """Take a provider's assertions no longer. Roles that name it keep its name, and are not assumed by its word."""
    provider = _find(call, saml_provider_arn)
    provider_tables.remove_metadata(call.db, provider.row)
    resource_tables.remove(call.db, provider.row)


@operation(Needs("iam:TagSAMLProvider", _arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_saml_provider(call: Call, saml_provider_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a provider, or give them new values."""
    tag(call, _find(call, saml_provider_arn), tags)


@operation(Needs("iam:UntagSAMLProvider", _arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_saml_provider(call: Call, saml_provider_arn: str, tag_keys: list[str]) -> None:
    """Remove tags from a provider."""
    untag(call, _find(call, saml_provider_arn), tag_keys)


@operation(Needs("iam:ListSAMLProviderTags", _arn), reads=True, context=lookup.conditions)
def list_saml_provider_tags(
    call: Call, saml_provider_arn: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a provider's tags by key."""
    return tags_page(_find(call, saml_provider_arn), marker, max_items)


def find_saml_provider(call: Call, question: FindSamlProvider) -> SamlProvider | None:
    """The provider of exactly this ARN, or None."""
    found = resource_tables.find_by_arn(call.db, question.arn)
    if found is None or found.kind != _KIND:
        return None
    facts = found.facts
    return SamlProvider(
        found.arn, found.account, found.name, facts["issuer"], tuple(facts["certificates"]), facts["valid_until"]
    )


async def _read(document: str) -> Metadata:
    try:
        return await asyncio.get_running_loop().run_in_executor(None, read_metadata, document)
    except BadMetadata as error:
        raise InvalidInput(str(error)) from error


def _facts(call: Call, metadata: Metadata) -> dict[str, Any]:
    until = metadata.valid_until
    return {
        "issuer": metadata.issuer,
        "certificates": list(metadata.certificates),
        "valid_until": call.now + _CENTURY if until is None else until,
    }


def _find(call: Call, arn: str) -> Resource:
    found = resource_tables.find_by_arn(call.db, arn)
    if found is None or found.kind != _KIND or found.account != call.account:
        raise NoSuchEntity(f"Manifest not found for arn {arn}")
    return found
