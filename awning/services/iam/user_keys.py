"""What users upload to be known by elsewhere: signing certificates (two each), and SSH public keys (five each)."""

from __future__ import annotations

from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import certificates, lookup, resource_tables
from awning.services.iam.errors import (
    DuplicateCertificate,
    DuplicateSSHPublicKey,
    LimitExceeded,
    MalformedCertificate,
    NoSuchEntity,
)
from awning.services.iam.pages import page_of
from awning.services.iam.quotas import SIGNING_CERTIFICATES_PER_USER, SSH_KEYS_PER_USER
from awning.services.iam.resource_tables import Resource

CERTIFICATE: Final = "signing-certificate"
SSH_KEY: Final = "ssh-public-key"
_STATUSES: Final = {"status": {"Active", "Inactive"}}


@operation(Needs("iam:UploadSigningCertificate", lookup.own_arn), context=lookup.own_conditions)
def upload_signing_certificate(call: Call, certificate_body: str, user_name: str | None = None) -> dict[str, Any]:
    """Give a user, or the account's root, a certificate to sign with."""
    owner, name = lookup.owner(call, user_name)
    try:
        certificates.read_certificate(certificate_body)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedCertificate(f"Certificate {certificate_body} is malformed.") from error
    body = certificate_body.strip()
    known = _owned(call, owner, CERTIFICATE)
    if any(one.facts["body"].split() == body.split() for one in known):
        raise DuplicateCertificate("The certificate is already associated with this user.")
    if len(known) >= SIGNING_CERTIFICATES_PER_USER:
        raise LimitExceeded(f"Cannot exceed quota for CertificatesPerUser: {SIGNING_CERTIFICATES_PER_USER}")
    facts = {"body": certificate_body, "status": "Active", "changed": call.now}
    made = Resource(0, call.account, CERTIFICATE, call.new_token(32), "/", "", call.now, owner=owner, facts=facts)
    resource_tables.add(call.db, made)
    return {"Certificate": _describe_certificate(made, name)}


@operation(Needs("iam:ListSigningCertificates", lookup.own_arn), reads=True, context=lookup.own_conditions)
def list_signing_certificates(
    call: Call, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a user's signing certificates, the oldest first."""
    owner, name = lookup.owner(call, user_name)
    found, more = page_of(_owned(call, owner, CERTIFICATE), marker, max_items, _age)
    return {"Certificates": [_describe_certificate(one, name) for one in found], **more}


@operation(Needs("iam:UpdateSigningCertificate", lookup.own_arn), honours=_STATUSES, context=lookup.own_conditions)
def update_signing_certificate(call: Call, certificate_id: str, status: str, user_name: str | None = None) -> None:
    """Make a signing certificate active or inactive."""
    owner, _ = lookup.owner(call, user_name)
    _set_status(call, _find(call, owner, CERTIFICATE, certificate_id), status)


@operation(Needs("iam:DeleteSigningCertificate", lookup.own_arn), context=lookup.own_conditions)
def delete_signing_certificate(call: Call, certificate_id: str, user_name: str | None = None) -> None:
    """Delete a signing certificate."""
    owner, _ = lookup.owner(call, user_name)
    resource_tables.remove(call.db, _find(call, owner, CERTIFICATE, certificate_id).row)


@operation(Needs("iam:UploadSSHPublicKey", lookup.arn("user")), context=lookup.conditions)
def upload_ssh_public_key(call: Call, user_name: str, ssh_public_key_body: str) -> dict[str, Any]:
    """Give a user a public key, of RSA, in OpenSSH's form or in PEM's."""
    user = lookup.entity(call, "user", user_name)
    key = certificates.read_ssh_key(ssh_public_key_body)
    canonical = certificates.in_ssh(key)
    known = _owned(call, user.row, SSH_KEY)
    if any(one.facts["key"] == canonical for one in known):
        raise DuplicateSSHPublicKey("The SSH public key is already associated with the specified IAM user.")
    if len(known) >= SSH_KEYS_PER_USER:
        raise LimitExceeded(f"Cannot exceed quota for SSHPublicKeysPerUser: {SSH_KEYS_PER_USER}")
    facts = {
        "key": canonical,
        "body": ssh_public_key_body,
        "fingerprint": certificates.fingerprint(key),
        "status": "Active",
    }
    name = "APKA" + call.new_token(16)
    made = Resource(0, call.account, SSH_KEY, name, "/", "", call.now, owner=user.row, facts=facts)
    resource_tables.add(call.db, made)
    return {"SSHPublicKey": _describe_key(made, user.name, ssh_public_key_body)}


@operation(
    Needs("iam:GetSSHPublicKey", lookup.arn("user")), reads=True, honours={"encoding": ALL}, context=lookup.conditions
)
def get_ssh_public_key(call: Call, user_name: str, ssh_public_key_id: str, encoding: str) -> dict[str, Any]:
    """Show a user's public key in either form; in the form that it was uploaded in, as it was uploaded."""
    user = lookup.entity(call, "user", user_name)
    found = _find(call, user.row, SSH_KEY, ssh_public_key_id)
    body: str = found.facts["body"]
    if body.strip().startswith("-----BEGIN ") != (encoding == "PEM"):
        key = certificates.read_ssh_key(body)
        body = certificates.in_pem(key) if encoding == "PEM" else certificates.in_ssh(key)
    return {"SSHPublicKey": _describe_key(found, user.name, body)}


@operation(Needs("iam:ListSSHPublicKeys", lookup.own_arn), reads=True, context=lookup.own_conditions)
def list_ssh_public_keys(
    call: Call, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a user's public keys, the oldest first, without the keys themselves."""
    owner, name = lookup.owner(call, user_name)
    found, more = page_of(_owned(call, owner, SSH_KEY), marker, max_items, _age)
    return {"SSHPublicKeys": [_describe_key(one, name) for one in found], **more}


@operation(Needs("iam:UpdateSSHPublicKey", lookup.arn("user")), honours=_STATUSES, context=lookup.conditions)
def update_ssh_public_key(call: Call, user_name: str, ssh_public_key_id: str, status: str) -> None:
    """Make a public key active or inactive."""
    user = lookup.entity(call, "user", user_name)
    _set_status(call, _find(call, user.row, SSH_KEY, ssh_public_key_id), status)


@operation(Needs("iam:DeleteSSHPublicKey", lookup.arn("user")), context=lookup.conditions)
def delete_ssh_public_key(call: Call, user_name: str, ssh_public_key_id: str) -> None:
    """Delete a public key."""
    user = lookup.entity(call, "user", user_name)
    resource_tables.remove(call.db, _find(call, user.row, SSH_KEY, ssh_public_key_id).row)


def _owned(call: Call, owner: int, kind: str) -> list[Resource]:
    """A user's, or the root's of this account, in the order in which they came."""
    found = resource_tables.owned(call.db, owner, kind)
    return sorted((one for one in found if one.account == call.account), key=_age)


def _age(resource: Resource) -> str:
    return f"{resource.created:020.6f} {resource.name}"


def _find(call: Call, owner: int, kind: str, name: str) -> Resource:
    found = resource_tables.find(call.db, call.account, kind, name)
    if found is None or found.owner != owner:
        what = "Certificate" if kind == CERTIFICATE else "Public Key"
        raise NoSuchEntity(f"The {what} with id {name} cannot be found.")
    return found


def _set_status(call: Call, resource: Resource, status: str) -> None:
    changed = {"status": status} | ({"changed": call.now} if status != resource.facts["status"] else {})
    resource_tables.set_facts(call.db, resource.row, {**resource.facts, **changed})


def _describe_certificate(certificate: Resource, user_name: str) -> dict[str, Any]:
    return {
        "UserName": user_name,
        "CertificateId": certificate.name,
        "CertificateBody": certificate.facts["body"],
        "Status": certificate.facts["status"],
        "UploadDate": certificate.created,
    }


def _describe_key(key: Resource, user_name: str, body: str | None = None) -> dict[str, Any]:
    shown = {
        "UserName": user_name,
        "SSHPublicKeyId": key.name,
        "Status": key.facts["status"],
        "UploadDate": key.created,
    }
    return shown if body is None else shown | {"Fingerprint": key.facts["fingerprint"], "SSHPublicKeyBody": body}
