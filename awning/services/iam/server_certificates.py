"""Server certificates: for load balancers and distributions. The private key is stored sealed, and shown to nobody again."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.iam import lookup, resource_tables, tables
from awning.services.iam.certificates import read_server_certificate
from awning.services.iam.errors import EntityAlreadyExists, LimitExceeded, NoSuchEntity
from awning.services.iam.names import check_path, new_id, read_tags, write_tags
from awning.services.iam.pages import page
from awning.services.iam.quotas import SERVER_CERTIFICATES
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tagging import tag, tags_page, untag

_KIND: Final = "server-certificate"
_arn = lookup.resource_arn(_KIND, "server_certificate_name")
_new_arn = lookup.new_arn(_KIND, "server_certificate_name")


def _renamed_arn(call: Call, params: Params) -> str | None:
    name, path = params.get("new_server_certificate_name"), params.get("new_path")
    if name is None and path is None:
        return None
    old = resource_tables.find(call.db, call.account, _KIND, params["server_certificate_name"])
    return tables.arn_of(
        call.account,
        _KIND,
        path or (old.path if old else "/"),
        name or (old.name if old else params["server_certificate_name"]),
    )


@operation(
    Needs("iam:UploadServerCertificate", _new_arn),
    Needs("iam:TagServerCertificate", lambda call, params: _new_arn(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
async def upload_server_certificate(
    call: Call,
    server_certificate_name: str,
    certificate_body: str,
    private_key: str,
    path: str = "/",
    certificate_chain: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Store a certificate that is valid now, its own private key, and the chain that vouches for it; all in PEM."""
    check_path(_KIND, path)
    read = read_tags(tags, folded=False)
    _refuse_taken(call, server_certificate_name)
    expires, key = await asyncio.get_running_loop().run_in_executor(
        None, read_server_certificate, certificate_body, private_key, certificate_chain, call.now
    )
    facts: dict[str, Any] = {"body": certificate_body.strip(), "expires": expires}
    if certificate_chain is not None:
        facts["chain"] = certificate_chain.strip()
    made: dict[str, Any] = await call.commit(_add, server_certificate_name, path, read, facts, key)
    return made


def _add(call: Call, name: str, path: str, tags: dict[str, str], facts: dict[str, Any], key: bytes) -> dict[str, Any]:
    _refuse_taken(call, name)
    if resource_tables.count(call.db, call.account, _KIND) >= SERVER_CERTIFICATES:
        raise LimitExceeded(f"Cannot exceed quota for ServerCertificatesPerAccount: {SERVER_CERTIFICATES}")
    identifier = new_id(call, _KIND)
    sealed = call.seal.seal(key, identifier.encode())
    certificate = Resource(
        0, call.account, _KIND, name, path, identifier, call.now, tags, facts=facts, sealed=sealed
    )  # fmt: skip
    resource_tables.add(call.db, certificate)
    made: dict[str, Any] = {"ServerCertificateMetadata": _describe(certificate)}
    return made | ({"Tags": write_tags(tags)} if tags else {})


@operation(Needs("iam:GetServerCertificate", _arn), reads=True, context=lookup.conditions)
def get_server_certificate(call: Call, server_certificate_name: str) -> dict[str, Any]:
    """Show a certificate and its chain."""
    certificate = _find(call, server_certificate_name)
    shown = {
        "ServerCertificateMetadata": _describe(certificate),
        "CertificateBody": certificate.facts["body"],
        "Tags": write_tags(certificate.tags),
    }
    if "chain" in certificate.facts:
        shown["CertificateChain"] = certificate.facts["chain"]
    return {"ServerCertificate": shown}


@operation(Needs("iam:ListServerCertificates", lookup.path_arn(_KIND)), reads=True)
def list_server_certificates(
    call: Call, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List certificates by name, those below a path."""
    found, more = page(
        marker,
        max_items,
        lambda certificate: certificate.name.lower(),
        lambda after, limit: resource_tables.listed(call.db, call.account, _KIND, path_prefix, after, limit),
    )
    return {"ServerCertificateMetadataList": [_describe(certificate) for certificate in found], **more}


@operation(
    Needs("iam:UpdateServerCertificate", _arn),
    Needs("iam:UpdateServerCertificate", _renamed_arn),
    context=lookup.conditions,
)
def update_server_certificate(
    call: Call,
    server_certificate_name: str,
    new_path: str | None = None,
    new_server_certificate_name: str | None = None,
) -> None:
    """Change a certificate's name or path, and so its ARN."""
    certificate = _find(call, server_certificate_name)
    if new_path is not None:
        check_path(_KIND, new_path)
    if new_server_certificate_name is not None and new_server_certificate_name.lower() != certificate.name.lower():
        _refuse_taken(call, new_server_certificate_name)
    name, path = new_server_certificate_name or certificate.name, new_path or certificate.path
    resource_tables.rename(call.db, certificate.row, name, path)


@operation(Needs("iam:DeleteServerCertificate", _arn), context=lookup.conditions)
def delete_server_certificate(call: Call, server_certificate_name: str) -> None:
    """Delete a certificate and its private key."""
    resource_tables.remove(call.db, _find(call, server_certificate_name).row)


@operation(Needs("iam:TagServerCertificate", _arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_server_certificate(call: Call, server_certificate_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a certificate, or give them new values."""
    tag(call, _find(call, server_certificate_name), tags)


@operation(Needs("iam:UntagServerCertificate", _arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_server_certificate(call: Call, server_certificate_name: str, tag_keys: list[str]) -> None:
    """Remove tags from a certificate."""
    untag(call, _find(call, server_certificate_name), tag_keys)


@operation(Needs("iam:ListServerCertificateTags", _arn), reads=True, context=lookup.conditions)
def list_server_certificate_tags(
    call: Call, server_certificate_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a certificate's tags by key."""
    return tags_page(_find(call, server_certificate_name), marker, max_items)


def _find(call: Call, name: str) -> Resource:
    found = resource_tables.find(call.db, call.account, _KIND, name)
    if found is None:
        raise NoSuchEntity(f"The Server Certificate with name {name} cannot be found.")
    return found


def _refuse_taken(call: Call, name: str) -> None:
    if resource_tables.find(call.db, call.account, _KIND, name) is not None:
        raise EntityAlreadyExists(f"The Server Certificate with name {name} already exists.")


def _describe(certificate: Resource) -> dict[str, Any]:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.id,
        "Arn": certificate.arn,
        "UploadDate": certificate.created,
        "Expiration": certificate.facts["expires"],
    }
