"""Access control lists: canned ones, those of headers and documents, how they are shown, and what they allow.

Rules. S3 user guide, "Access control list (ACL) overview"; S3 API reference, PutObjectAcl and PutBucketAcl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from awning.auth.policy import Policy, compile_policy
from awning.services.s3 import errors

Grants = tuple[tuple[str, str], ...]
"""(grantee, permission) pairs; a grantee is a canonical user's id or a group's URI."""

ALL_USERS: Final = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS: Final = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY: Final = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS: Final = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})
PUBLIC: Final = frozenset({ALL_USERS, AUTHENTICATED_USERS})

ANONYMOUS: Final = "65a011a29cdf8ec533ec3d1ccaae921c"
"""The canonical id of who uploads without a signature."""
EC2: Final = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"
"""The canonical id of EC2, which aws-exec-read lets read."""

FULL: Final = "FULL_CONTROL"
PERMISSIONS: Final = (FULL, "READ", "READ_ACP", "WRITE", "WRITE_ACP")
MOST_GRANTS: Final = 100
BUCKET_OWNER_FULL_CONTROL: Final = "bucket-owner-full-control"

_CANNED: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "aws-exec-read": ((EC2, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
}
_OF_OBJECTS: Final = {"bucket-owner-read": "READ", BUCKET_OWNER_FULL_CONTROL: FULL}
"""What these grant to the bucket's owner; for a bucket they mean nothing."""

_ID = re.compile(r"[0-9a-f]{64}").fullmatch
_GRANTEE = re.compile(r"\s*([^=,]+?)\s*=\s*(\"[^\"]*\"|[^,\"]*?)\s*(?:,|$)")


class Asked(NamedTuple):
    """The list that a request asks for: a canned one by name, or grants. `owner`: whom a document names as the owner."""

    canned: str | None
    grants: Grants = ()
    owner: str | None = None


def asked(canned: str | None, headers: Sequence[str | None], of_bucket: bool = False) -> Asked | None:
    """Return the list that x-amz-acl or x-amz-grant-* headers (one for each of PERMISSIONS) ask for; None where there are none.

    Raises InvalidArgument, InvalidRequest, MethodNotAllowed, MalformedACLError.
    """
    if canned is None and headers.count(None) == len(headers):
        return None
    given = {permission: value for permission, value in zip(PERMISSIONS, headers, strict=True) if value is not None}
    if canned is None:
        return Asked(None, _checked(_of_headers(given)))
    if given:
        raise errors.InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
    if (canned not in _CANNED and canned not in _OF_OBJECTS) or (canned == "log-delivery-write" and not of_bucket):
        raise errors.InvalidArgument("", "x-amz-acl", canned)
    return Asked(canned)


def _of_headers(given: Mapping[str, str]) -> Grants:
    found: list[tuple[str, str]] = []
    for permission, value in given.items():
        at = 0
        while at < len(value):
            match = _GRANTEE.match(value, at)
            if match is None:
                raise _unknown(permission, value[at:].strip())
            kind, grantee = match.group(1), match.group(2).strip('"')
            at = match.end()
            if kind.lower() == "uri":
                if grantee not in GROUPS:
                    raise errors.InvalidArgument("Invalid group uri", "uri", grantee)
            elif kind.lower() == "id":
                if not is_id(grantee):
                    raise errors.InvalidArgument("Invalid id", "id", grantee)
            elif kind.lower() == "emailaddress":
                raise _email()
            else:
                raise _unknown(permission, match.group(0).rstrip(", "))
            found.append((grantee, permission))
    return tuple(found)


def _unknown(permission: str, text: str) -> errors.ServiceError:
    name = "x-amz-grant-" + permission.lower().replace("_", "-")
    return errors.InvalidArgument("Argument format not recognized", name, text)


def _email() -> errors.ServiceError:
    """S3 knows nobody by an email address any more (S3 API reference, PutBucketAcl: 405 since October 2025)."""
    return errors.MethodNotAllowed(
        "Grants to email addresses are not supported any more; name the account's canonical id."
    )


def is_id(text: str) -> bool:
    """Whether a text has the form of a canonical user's id."""
    return _ID(text) is not None or text == ANONYMOUS


def of_document(document: Mapping[str, Any]) -> Asked:
    """Return the list of an AccessControlPolicy. Raises MalformedACLError, InvalidArgument, MethodNotAllowed."""
    if "Owner" not in document or "Grants" not in document:
        raise errors.MalformedACLError
    owner = document["Owner"].get("ID", "")
    if not is_id(owner):
        raise errors.InvalidArgument("Invalid id", "CanonicalUser/ID", owner)
    return Asked(None, _checked(tuple([_grant_of(grant) for grant in document["Grants"]])), owner)


def _grant_of(grant: Mapping[str, Any]) -> tuple[str, str]:
    grantee, permission = grant.get("Grantee") or {}, grant.get("Permission")
    if permission not in PERMISSIONS:
        raise errors.MalformedACLError
    match grantee.get("Type"):
        case "CanonicalUser":
            found = grantee.get("ID", "")
            if not is_id(found):
                raise errors.InvalidArgument("Invalid id", "CanonicalUser/ID", found)
        case "Group":
            found = grantee.get("URI", "")
            if found not in GROUPS:
                raise errors.InvalidArgument("Invalid group uri", "Group/URI", found)
        case "AmazonCustomerByEmail":
            raise _email()
        case _:
            raise errors.MalformedACLError
    return str(found), str(permission)


def _checked(grants: Grants) -> Grants:
    if len(grants) > MOST_GRANTS:
        raise errors.MalformedACLError
    return tuple(dict.fromkeys(grants))


def private(owner: str) -> Grants:
    """The list of what nobody but its owner may touch."""
    return ((owner, FULL),)


def resolved(wanted: Asked | None, owner: str, bucket_owner: str | None = None) -> Grants:
    """Return the grants of what an id owns. `bucket_owner`: the id of the bucket's owner, where it is an object."""
    if wanted is None:
        return private(owner)
    if wanted.canned is None:
        return wanted.grants
    found = [(owner, FULL), *_CANNED.get(wanted.canned, ())]
    permission = _OF_OBJECTS.get(wanted.canned)
    if permission is not None and bucket_owner is not None and bucket_owner != owner:
        found.append((bucket_owner, permission))
    return tuple(found)


def changes_nothing(wanted: Asked, owner: str) -> bool:
    """Whether a list is the one that may be sent where lists are off: full control for the bucket's owner, an id, alone.

    S3 user guide, "Controlling ownership of objects and disabling ACLs for your bucket".
    """
    if wanted.canned is not None:
        return wanted.canned == BUCKET_OWNER_FULL_CONTROL
    return wanted.grants == private(owner)


def is_public(grants: Grants) -> bool:
    """Whether a list lets everyone, or everyone who signs, do something ("The meaning of public", S3 user guide)."""
    return any(grantee in PUBLIC for grantee, _ in grants)


def shown(owner: str, grants: Grants) -> dict[str, Any]:
    """Return a list as replies write it."""
    return {
        "Owner": {"ID": owner},
        "Grants": [
            {
                "Grantee": (
                    {"URI": grantee, "Type": "Group"} if grantee in GROUPS else {"ID": grantee, "Type": "CanonicalUser"}
                ),
                "Permission": permission,
            }
            for grantee, permission in grants
        ],
    }


# What a list allows --------------------------------------------------------------------------------------------------

# "Mapping of ACL permissions and access policy permissions" of the user guide's overview.
_ON_BUCKET: Final[Mapping[str, Sequence[str]]] = {
    "READ": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "WRITE": ("s3:PutObject",),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_ON_OBJECT: Final[Mapping[str, Sequence[str]]] = {
    "READ": ("s3:GetObject", "s3:GetObjectVersion"),
    "WRITE": (),
    "READ_ACP": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "WRITE_ACP": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
}
_ON_OWN: Final[Mapping[str, Sequence[str]]] = {"WRITE": ("s3:DeleteObject",)}
_ON_MISSING: Final[Mapping[str, Sequence[str]]] = {"READ": ("s3:GetObject", "s3:GetObjectVersion")}
_ON_NEW: Final[Mapping[str, Sequence[str]]] = {"WRITE": ("s3:PutObjectAcl",)}

OF_OBJECTS: Final = frozenset(
    {action for actions in _ON_OBJECT.values() for action in actions}
    | {"s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"}
)
"""What an object's owner decides; all else is the bucket's."""

_TABLES: Final = {"bucket": _ON_BUCKET, "object": _ON_OBJECT, "own": _ON_OWN, "missing": _ON_MISSING, "new": _ON_NEW}
"""`own`: what WRITE on a bucket allows with objects of one's own. `missing`: of who may list a bucket, that it may ask for what
is not there. `new`: what who may write may say of a new object."""

_PEOPLE: Final = ["Account", "AssumedRole", "FederatedUser", "User"]
_NAMES: Final = {ALL_USERS: "AllUsers", AUTHENTICATED_USERS: "AuthenticatedUsers", LOG_DELIVERY: "LogDelivery"}


@lru_cache(maxsize=1024)
def compiled(grants: Grants, on: str, without_public: bool) -> Policy | None:
    """Return a list as a policy that allows what its permissions stand for; None where that is nothing.

    on: a name in _TABLES. without_public: grants to everyone are passed over (IgnorePublicAcls).
    """
    table = _TABLES[on]
    statements = []
    for number, (grantee, permission) in enumerate(grants, 1):
        if (without_public and grantee in PUBLIC) or grantee == ANONYMOUS:
            continue
        actions = [one for name, several in table.items() if permission in (name, FULL) for one in several]
        if not actions:
            continue
        who = _NAMES.get(grantee, grantee)
        statement: dict[str, Any] = {
            "Sid": f"grant {number}: {permission} to {who}",
            "Effect": "Allow",
            "Action": actions,
            "Resource": "*",
        }
        match who:
            case "AllUsers":
                statement["Principal"] = "*"
            case "AuthenticatedUsers":
                statement |= {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalType": _PEOPLE}}}
            case "LogDelivery":
                statement["Principal"] = {"Service": "logging.s3.amazonaws.com"}
            case _:
                statement["Principal"] = {"CanonicalUser": grantee}
        statements.append(statement)
    if not statements:
        return None
    noun = "object" if on == "object" else "bucket"
    document = {"Version": "2012-10-17", "Statement": statements}
    return compile_policy(document, id=f"the {noun}'s ACL", kind="resource", stored=True)
