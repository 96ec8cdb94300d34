"""OpenID Connect providers: whose tokens this account takes, for whom they may be made, and by which certificate they are found.

An issuer is an https URL; plain http is for issuers on this machine only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from awning.contracts import FindOidcProvider, OidcProvider
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.iam import lookup, resource_tables
from awning.services.iam.errors import (
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from awning.services.iam.names import read_tags, write_tags
from awning.services.iam.quotas import CLIENT_IDS, OIDC_PROVIDERS, THUMBPRINTS
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tagging import tag, tags_page, untag

_KIND: Final = "oidc-provider"
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()+,;=:@%-]*)*")
_THUMBPRINT: Final = re.compile(r"[0-9A-Fa-f]{40}")


def _arn(call: Call, params: Params) -> str:
    value: str = params["open_id_connect_provider_arn"]
    return value


def _new_arn(call: Call, params: Params) -> str:
    return f"arn:aws:iam::{call.account}:{_KIND}/{params['url'].partition('://')[2] or params['url']}"


@operation(
    Needs("iam:CreateOpenIDConnectProvider", _new_arn),
    Needs("iam:TagOpenIDConnectProvider", lambda call, params: _new_arn(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
def create_open_id_connect_provider(
    call: Call,
    url: str,
    client_id_list: list[str] | None = None,
    thumbprint_list: list[str] | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Take the tokens of an issuer from now on. Thumbprints that are not given are not looked up: the issuer's certificate
    must then be good by itself.

    Raises ValidationError, InvalidInput, EntityAlreadyExists, LimitExceeded.
    """
    name = _name_of(url)
    thumbprints = _thumbprints(thumbprint_list or ())
    clients = _clients(client_id_list or ())
    if resource_tables.find(call.db, call.account, _KIND, name) is not None:
        raise EntityAlreadyExists(f"Provider with url {url} already exists.")
    if resource_tables.count(call.db, call.account, _KIND) >= OIDC_PROVIDERS:
        raise LimitExceeded(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {OIDC_PROVIDERS}")
    provider = Resource(
        0, call.account, _KIND, name, "/", "", call.now, read_tags(tags, folded=False),
        facts={"url": url, "clients": clients, "thumbprints": thumbprints},
    )  # fmt: skip
    resource_tables.add(call.db, provider)
    made: dict[str, Any] = {"OpenIDConnectProviderArn": provider.arn}
    return made | ({"Tags": write_tags(provider.tags)} if tags else {})


@operation(Needs("iam:GetOpenIDConnectProvider", _arn), reads=True, context=lookup.conditions)
def get_open_id_connect_provider(call: Call, open_id_connect_provider_arn: str) -> dict[str, Any]:
    """Describe a provider. Its URL is shown without https://, as on AWS."""
    provider = _find(call, open_id_connect_provider_arn)
    return {
        "Url": provider.facts["url"].removeprefix("https://"),
        "ClientIDList": provider.facts["clients"],
        "ThumbprintList": provider.facts["thumbprints"],
        "CreateDate": provider.created,
        "Tags": write_tags(provider.tags),
    }


@operation(Needs("iam:ListOpenIDConnectProviders", "*"), reads=True)
def list_open_id_connect_providers(call: Call) -> dict[str, Any]:
    """List the account's providers, at most its quota of them."""
    found = resource_tables.listed(call.db, call.account, _KIND)
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in found]}


@operation(Needs("iam:DeleteOpenIDConnectProvider", _arn), context=lookup.conditions)
def delete_open_id_connect_provider(call: Call, open_id_connect_provider_arn: str) -> None:
    """Take an issuer's tokens no longer. Roles that name the provider keep its name, and are not assumed by its word."""
    missing = f"OpenId connect Provider {open_id_connect_provider_arn} cannot be found."
    resource_tables.remove(call.db, _find(call, open_id_connect_provider_arn, missing).row)


@operation(Needs("iam:UpdateOpenIDConnectProviderThumbprint", _arn), context=lookup.conditions)
def update_open_id_connect_provider_thumbprint(
    call: Call, open_id_connect_provider_arn: str, thumbprint_list: list[str]
) -> None:
    """Replace a provider's thumbprints."""
    provider = _find(call, open_id_connect_provider_arn)
    _set(call, provider, thumbprints=_thumbprints(thumbprint_list))


@operation(Needs("iam:AddClientIDToOpenIDConnectProvider", _arn), context=lookup.conditions)
def add_client_id_to_open_id_connect_provider(call: Call, open_id_connect_provider_arn: str, client_id: str) -> None:
    """Take tokens for one more audience; one that is there already is no error."""
    provider = _find(call, open_id_connect_provider_arn)
    _set(call, provider, clients=_clients([*provider.facts["clients"], client_id]))


@operation(Needs("iam:RemoveClientIDFromOpenIDConnectProvider", _arn), context=lookup.conditions)
def remove_client_id_from_open_id_connect_provider(
    call: Call, open_id_connect_provider_arn: str, client_id: str
) -> None:
    """Take tokens for an audience no longer; one that is not there is no error."""
    provider = _find(call, open_id_connect_provider_arn)
    _set(call, provider, clients=[one for one in provider.facts["clients"] if one != client_id])


@operation(
    Needs("iam:TagOpenIDConnectProvider", _arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags"
)  # fmt: skip
def tag_open_id_connect_provider(call: Call, open_id_connect_provider_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a provider, or give them new values."""
    tag(call, _find(call, open_id_connect_provider_arn), tags)


@operation(Needs("iam:UntagOpenIDConnectProvider", _arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_open_id_connect_provider(call: Call, open_id_connect_provider_arn: str, tag_keys: list[str]) -> None:
    """Remove tags from a provider."""
    untag(call, _find(call, open_id_connect_provider_arn), tag_keys)


@operation(Needs("iam:ListOpenIDConnectProviderTags", _arn), reads=True, context=lookup.conditions)
def list_open_id_connect_provider_tags(
    call: Call, open_id_connect_provider_arn: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a provider's tags by key."""
    return tags_page(_find(call, open_id_connect_provider_arn), marker, max_items)


def find_oidc_provider(call: Call, question: FindOidcProvider) -> OidcProvider | None:
    """The provider of exactly this issuer in an account, or None."""
    name = question.issuer.partition("://")[2]
    found = resource_tables.find(call.db, question.account, _KIND, name) if name else None
    if found is None or found.facts["url"] != question.issuer:
        return None
    return OidcProvider(
        found.arn, found.name, question.issuer, tuple(found.facts["clients"]), tuple(found.facts["thumbprints"])
    )


def is_local(host: str) -> bool:
    """Whether a host's name says that it is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_of(url: str) -> str:
    """A URL without its scheme, as ARNs and condition keys have it. Raises ValidationError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError("Invalid Open ID Connect Provider URL") from None
    if (
        not _HOST.fullmatch(host)
        or not _PATH.fullmatch(parts.path)
        or "@" in parts.netloc
        or port == 0
        or not (url.startswith("https://") or (url.startswith("http://") and is_local(host)))
        or any(sign in url for sign in "?#")
    ):
        raise ValidationError("Invalid Open ID Connect Provider URL")
    return url.partition("://")[2]


def _clients(given: Sequence[str]) -> list[str]:
    clients = list(dict.fromkeys(given))
    if len(clients) > CLIENT_IDS:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS}")
    return clients


def _thumbprints(given: Sequence[str]) -> list[str]:
    thumbprints = list(dict.fromkeys(given))
    if len(thumbprints) > THUMBPRINTS:
        raise InvalidInput(f"Thumbprint list must contain fewer than {THUMBPRINTS} entries.")
    if not all(_THUMBPRINT.fullmatch(one) for one in thumbprints):
        raise InvalidInput("A thumbprint has 40 hexadecimal digits: the SHA-1 of a certificate.")
    return thumbprints


def _find(call: Call, arn: str, missing: str | None = None) -> Resource:
    found = resource_tables.find_by_arn(call.db, arn)
    if found is None or found.kind != _KIND or found.account != call.account:
        raise NoSuchEntity(missing or f"OpenIDConnect Provider not found for arn {arn}")
    return found


def _set(call: Call, provider: Resource, **changed: list[str]) -> None:
    resource_tables.set_facts(call.db, provider.row, {**provider.facts, **changed})
