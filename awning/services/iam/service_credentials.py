"""Service-specific credentials: a user name and password of a user for one service. The password is shown once, and hashed.

It is random and long, so a plain hash says nothing of it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import Needs, operation
from awning.services.iam import lookup, resource_tables
from awning.services.iam.errors import LimitExceeded, NoSuchEntity, ValidationError
from awning.services.iam.pages import page_of
from awning.services.iam.quotas import SERVICE_CREDENTIALS
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tables import Entity

KIND: Final = "service-credential"
_SERVICES: Final = frozenset({"codecommit.amazonaws.com", "cassandra.amazonaws.com"})
_API_KEYS: Final = frozenset({"bedrock.amazonaws.com", "logs.amazonaws.com"})
"""Services whose credentials are keys of another form."""


@operation(Needs("iam:CreateServiceSpecificCredential", lookup.arn("user")), context=lookup.conditions)
def create_service_specific_credential(call: Call, user_name: str, service_name: str) -> dict[str, Any]:
    """Make a user name and a password of a user for a service, and show the password this once."""
    user = lookup.entity(call, "user", user_name)
    _check_service(service_name)
    known = [one for one in _owned(call, user) if one.facts["service"] == service_name]
    if len(known) >= SERVICE_CREDENTIALS:
        raise LimitExceeded(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {SERVICE_CREDENTIALS}")
    password, hashed = _password(call)
    facts = {"service": service_name, "status": "Active", "sha256": hashed}
    name = "ACCA" + call.new_token(17)
    made = Resource(0, call.account, KIND, name, "/", "", call.now, owner=user.row, facts=facts)
    resource_tables.add(call.db, made)
    return {"ServiceSpecificCredential": _describe(user, made) | {"ServicePassword": password}}


@operation(Needs("iam:ListServiceSpecificCredentials", lookup.own_arn), reads=True, context=lookup.own_conditions)
def list_service_specific_credentials(
    call: Call,
    user_name: str | None = None,
    service_name: str | None = None,
    marker: str | None = None,
    max_items: int | None = None,
) -> dict[str, Any]:
    """List a user's credentials, the oldest first, without their passwords."""
    user = _user(call, user_name)
    if service_name is not None:
        _check_service(service_name)
    wanted = [one for one in _owned(call, user) if service_name in (None, one.facts["service"])]
    found, more = page_of(wanted, marker, max_items, _age)
    return {"ServiceSpecificCredentials": [_describe(user, one) for one in found], **more}


@operation(
    Needs("iam:UpdateServiceSpecificCredential", lookup.own_arn),
    honours={"status": {"Active", "Inactive"}},
    context=lookup.own_conditions,
)
def update_service_specific_credential(
    call: Call, service_specific_credential_id: str, status: str, user_name: str | None = None
) -> None:
    """Make credentials active or inactive."""
    found = _find(call, _user(call, user_name), service_specific_credential_id)
    resource_tables.set_facts(call.db, found.row, {**found.facts, "status": status})


@operation(Needs("iam:ResetServiceSpecificCredential", lookup.own_arn), context=lookup.own_conditions)
def reset_service_specific_credential(
    call: Call, service_specific_credential_id: str, user_name: str | None = None
) -> dict[str, Any]:
    """Make another password, and show it this once; the one before ends."""
    user = _user(call, user_name)
    found = _find(call, user, service_specific_credential_id)
    password, hashed = _password(call)
    resource_tables.set_facts(call.db, found.row, {**found.facts, "sha256": hashed})
    return {"ServiceSpecificCredential": _describe(user, found) | {"ServicePassword": password}}


@operation(Needs("iam:DeleteServiceSpecificCredential", lookup.own_arn), context=lookup.own_conditions)
def delete_service_specific_credential(
    call: Call, service_specific_credential_id: str, user_name: str | None = None
) -> None:
    """Delete credentials."""
    found = _find(call, _user(call, user_name), service_specific_credential_id)
    resource_tables.remove(call.db, found.row)


def _user(call: Call, user_name: str | None) -> Entity:
    name = lookup.own_name(call, user_name)
    if name is None:
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return lookup.entity(call, "user", name)


def _check_service(name: str) -> None:
    if name in _API_KEYS:
        raise NotImplementedHere(f"API keys for {name} are not available: ServiceName")
    if name not in _SERVICES:
        raise NoSuchEntity(f"No such service {name} is supported for Service Specific Credentials")


def _password(call: Call) -> tuple[str, str]:
    """A password of 60 characters, and its SHA-256 in hexadecimal digits."""
    password = base64.b64encode(call.random(44)).decode()
    return password, hashlib.sha256(password.encode()).hexdigest()


def _owned(call: Call, user: Entity) -> list[Resource]:
    return sorted(resource_tables.owned(call.db, user.row, KIND), key=_age)


def _age(credential: Resource) -> str:
    return f"{credential.created:020.6f} {credential.name}"


def _find(call: Call, user: Entity, name: str) -> Resource:
    found = resource_tables.find(call.db, call.account, KIND, name)
    if found is None or found.owner != user.row:
        raise NoSuchEntity(f"No such credential {name} exists")
    return found


def _describe(user: Entity, credential: Resource) -> dict[str, Any]:
    return {
        "CreateDate": credential.created,
        "ServiceName": credential.facts["service"],
        "ServiceUserName": f"{user.name}-at-{credential.account}",
        "ServiceSpecificCredentialId": credential.name,
        "UserName": user.name,
        "Status": credential.facts["status"],
    }
