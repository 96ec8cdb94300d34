"""AssumeRoleWithSAML: a role's credentials for who shows an assertion of an identity provider that the role trusts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from awning.auth.principal import federated
from awning.contracts import FindSamlProvider, SamlProvider
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import ALL, Needs, Params, Shown, operation
from awning.services.sts import trust
from awning.services.sts.assertions import Assertion, read_response
from awning.services.sts.errors import InvalidIdentityToken
from awning.services.sts.narrowing import NAME
from awning.services.sts.shown import Proof, begin, conditions, identified_role, proof_of, request_tags, tagged_role

_ACTION: Final = "sts:AssumeRoleWithSAML"
_OURS: Final = "https://aws.amazon.com/SAML/Attributes/"
_PRINCIPAL_TAG: Final = f"{_OURS}PrincipalTag:"
_SECONDS: Final = (900, 43_200)

_EDU: Final = "urn:oid:1.3.6.1.4.1.5923.1."
_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "urn:oid:2.5.4.3": "cn",
        "urn:oid:2.5.4.4": "surname",
        "urn:oid:2.5.4.41": "name",
        "urn:oid:2.5.4.42": "givenname",
        "urn:oid:2.5.4.45": "x500uniqueidentifier",
        "urn:oid:0.9.2342.19200300.100.1.1": "uid",
        "urn:oid:0.9.2342.19200300.100.1.3": "mail",
        "urn:oid:0.9.2342.19200300.100.1.45": "organizationstatus",
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "primarygroupsid",
        f"{_EDU}1.1.1": "edupersonaffiliation",
        f"{_EDU}1.1.2": "edupersonnickname",
        f"{_EDU}1.1.3": "edupersonorgdn",
        f"{_EDU}1.1.4": "edupersonorgunitdn",
        f"{_EDU}1.1.5": "edupersonprimaryaffiliation",
        f"{_EDU}1.1.6": "edupersonprincipalname",
        f"{_EDU}1.1.7": "edupersonentitlement",
        f"{_EDU}1.1.8": "edupersonprimaryorgunitdn",
        f"{_EDU}1.1.9": "edupersonscopedaffiliation",
        f"{_EDU}1.1.10": "edupersontargetedid",
        f"{_EDU}1.1.11": "edupersonassurance",
        f"{_EDU}1.2.2": "eduorghomepageuri",
        f"{_EDU}1.2.3": "eduorgidentityauthnpolicyuri",
        f"{_EDU}1.2.4": "eduorglegalname",
        f"{_EDU}1.2.5": "eduorgsuperioruri",
        f"{_EDU}1.2.6": "eduorgwhitepagesuri",
    }
)
"""Attributes that are condition keys, by the names that providers give them. Source: "Available keys for SAML-based AWS STS
federation" of the IAM user guide."""


async def identify(call: Call, params: Params) -> Shown:
    """Verify an assertion by the keys of the provider that the request names, in a thread.

    Raises InvalidIdentityToken, IDPRejectedClaim, ExpiredTokenException, AccessDenied, ValidationError, NotImplementedHere.
    """
    role_arn = trust.role_arn(call, params)
    provider: SamlProvider | None = call.ask(FindSamlProvider(params["principal_arn"]))
    if provider is None:
        raise InvalidIdentityToken("Specified provider doesn't exist")
    if call.now >= provider.valid_until:
        raise InvalidIdentityToken("The metadata of the specified provider has expired.")
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        None, read_response, params["saml_assertion"], provider.certificates, call.now
    )  # fmt: skip
    if found.issuer != provider.issuer:
        raise InvalidIdentityToken("Issuer not present in specified provider")
    _check_role(found, role_arn, provider.arn)
    friendly = f"{found.issuer}{provider.account}/{provider.name}"
    qualifier = base64.b64encode(hashlib.sha1(friendly.encode(), usedforsecurity=False).digest()).decode()
    facts: dict[str, Any] = {
        "saml:aud": found.recipient,
        "saml:iss": found.issuer,
        "saml:sub": found.subject,
        "saml:sub_type": found.subject_type,
        "saml:namequalifier": qualifier,
        "saml:doc": f"{provider.account}/{provider.name}",
    }
    for name, values in found.attributes.items():
        if name in _ATTRIBUTES:
            facts[f"saml:{_ATTRIBUTES[name]}"] = list(values)
    reply = {
        "Subject": found.subject,
        "SubjectType": found.subject_type,
        "Issuer": found.issuer,
        "Audience": found.recipient,
        "NameQualifier": qualifier,
    }
    proof = Proof(
        reply,
        [(name.removeprefix(_PRINCIPAL_TAG), _only(found, name)) for name in found.attributes
         if name.startswith(_PRINCIPAL_TAG)],
        list(found.attributes.get(f"{_OURS}TransitiveTagKeys", ())),
        _only(found, f"{_OURS}SourceIdentity") or None,
        _session_name(found),
        _seconds(found),
    )  # fmt: skip
    return Shown(federated(provider.arn, facts, found.subject), proof)


@operation(
    Needs(_ACTION, trust.role_arn),
    Needs("sts:TagSession", tagged_role),
    Needs("sts:SetSourceIdentity", identified_role),
    honours={"policy_arns": ALL},
    anonymous=True,
    identify=identify,
    context=conditions,
    tags=request_tags,
)
def assume_role_with_saml(
    call: Call,
    role_arn: str,
    principal_arn: str,
    saml_assertion: str,
    policy_arns: list[dict[str, str]] | None = None,
    policy: str | None = None,
    duration_seconds: int = 3600,
) -> dict[str, Any]:
    """Begin a session of a role for the bearer of an assertion, which names it. Nobody signs the request.

    The session lasts as long as the request says, or the assertion, whichever is shorter. Raises AccessDenied, ValidationError,
    InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    proof = proof_of(call)
    seconds = duration_seconds if proof.seconds is None else min(duration_seconds, proof.seconds)
    return begin(call, _ACTION, role_arn, proof.name, seconds, policy, policy_arns or ())


def _check_role(found: Assertion, role_arn: str, provider_arn: str) -> None:
    """Raise AccessDenied unless the assertion pairs the role with the provider, in either order."""
    for value in found.attributes.get(f"{_OURS}Role", ()):
        if sorted(part.strip() for part in value.split(",")) == sorted((role_arn, provider_arn)):
            return
    raise AccessDenied(f"Not authorized to perform {_ACTION}")


def _only(found: Assertion, name: str) -> str:
    """An attribute's value, empty where it is not there. Raises InvalidIdentityToken where it has several."""
    values = found.attributes.get(name, ())
    if len(values) > 1:
        raise InvalidIdentityToken(f"The attribute {name} has one value.")
    return values[0] if values else ""


def _session_name(found: Assertion) -> str:
    name = _only(found, f"{_OURS}RoleSessionName")
    if not name:
        raise InvalidIdentityToken("RoleSessionName is required in AuthnResponse")
    if not NAME.fullmatch(name):
        raise InvalidIdentityToken("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return name


def _seconds(found: Assertion) -> int | None:
    text = _only(found, f"{_OURS}SessionDuration")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and _SECONDS[0] <= int(text) <= _SECONDS[1]):
        raise InvalidIdentityToken("SessionDuration in AuthnResponse must be between 900 and 43200 seconds.")
    return int(text)
