"""Users' passwords. Of a password its salted scrypt hash is stored, sealed; hashing is done in a thread, before the batch.

There is no page to sign in on: only ChangePassword asks for a password. So a hard expiry, which keeps users who sign in with an
expired password from choosing another, refuses nobody; what expires when stands in the credential report.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import Needs, operation
from awning.services.iam import lookup, password_policy, resource_tables, tables
from awning.services.iam.errors import (
    EntityAlreadyExists,
    EntityTemporarilyUnmodifiable,
    InvalidUserType,
    NoSuchEntity,
    PasswordPolicyViolation,
    ValidationError,
)
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tables import Entity

KIND: Final = "login-profile"
_SALT: Final = 16
_HASH: Final = 32
_MEASURES: Final = {"n": 1 << 15, "r": 8, "p": 3}
"""32 MiB and about 0.16 s. Source: OWASP's password storage cheat sheet."""
_MOST_MEMORY: Final = 64 * 1024 * 1024


@operation(Needs("iam:CreateLoginProfile", lookup.own_arn), context=lookup.own_conditions)
async def create_login_profile(
    call: Call, password: str | None = None, user_name: str | None = None, password_reset_required: bool = False
) -> dict[str, Any]:
    """Give a user a password."""
    if password is None:
        raise ValidationError(
            "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
        )
    user = _user(call, user_name)
    _refuse_second(call, user)
    password_policy.check(call, password)
    salt = call.random(_SALT)
    hashed = await asyncio.get_running_loop().run_in_executor(None, _scrypt, password, salt)
    made: dict[str, Any] = await call.commit(_create, user.id, salt + hashed, password_reset_required)
    return made


def _create(call: Call, user_id: str, hashes: bytes, reset: bool) -> dict[str, Any]:
    """Store the hashes; not for another who has taken the user's name while they were made."""
    user = tables.entity_of_id(call.db, user_id)
    if user is None:
        raise NoSuchEntity("The user was deleted meanwhile.")
    _refuse_second(call, user)
    profile = Resource(
        0, call.account, KIND, str(user.row), "/", "", call.now, owner=user.row,
        facts={"reset": reset, "changed": call.now}, sealed=call.seal.seal(hashes, user.id.encode()),
    )  # fmt: skip
    resource_tables.add(call.db, profile)
    return {"LoginProfile": _describe(user, profile)}


@operation(Needs("iam:GetLoginProfile", lookup.own_arn), reads=True, context=lookup.own_conditions)
def get_login_profile(call: Call, user_name: str | None = None) -> dict[str, Any]:
    """Say since when a user has a password, and whether it must be changed."""
    user = _user(call, user_name)
    return {"LoginProfile": _describe(user, _find(call, user))}


@operation(Needs("iam:UpdateLoginProfile", lookup.own_arn), context=lookup.own_conditions)
async def update_login_profile(
    call: Call, user_name: str, password: str | None = None, password_reset_required: bool | None = None
) -> None:
    """Give a user another password, or say whether it must be changed; what is not given stays."""
    user = _user(call, user_name)
    profile = _find(call, user)
    if password is None:
        await call.commit(_update, user_name, None, None, password_reset_required)
    else:
        sealed = await _another(call, user, profile, password, None)
        await call.commit(_update, user_name, profile.sealed, sealed, password_reset_required)


@operation(Needs("iam:DeleteLoginProfile", lookup.own_arn), context=lookup.own_conditions)
def delete_login_profile(call: Call, user_name: str | None = None) -> None:
    """Take a user's password away; its access keys stay."""
    resource_tables.remove(call.db, _find(call, _user(call, user_name)).row)


@operation(Needs("iam:ChangePassword", lambda call, params: call.principal.arn))
async def change_password(call: Call, old_password: str, new_password: str) -> None:
    """Let a user, who knows the old one, change its own password."""
    if call.principal.kind != "user":
        raise InvalidUserType("Only IAM Users can change their own password.")
    name = call.principal.name
    user = _user(call, name)
    profile = _find(call, user)
    sealed = await _another(call, user, profile, new_password, old_password)
    await call.commit(_update, name, profile.sealed, sealed, False)


def _update(call: Call, user_name: str, old: bytes | None, sealed: bytes | None, reset: bool | None) -> None:
    """Store other hashes, and whether a change is due, unless someone else was quicker than the hashing."""
    profile = _find(call, _user(call, user_name))
    facts = dict(profile.facts)
    if sealed is not None:
        if profile.sealed != old:
            raise EntityTemporarilyUnmodifiable("The password is being changed by another request. Try again.")
        resource_tables.set_sealed(call.db, profile.row, sealed)
        facts["changed"] = call.now
    if reset is not None:
        facts["reset"] = reset
    resource_tables.set_facts(call.db, profile.row, facts)


async def _another(call: Call, user: Entity, profile: Resource, password: str, old: str | None) -> bytes:
    """The sealed hashes with that of another password first. Raises AccessDenied, PasswordPolicyViolation."""
    opened = call.seal.open(profile.sealed or b"", user.id.encode())
    salt, known = opened[:_SALT], opened[_SALT:]
    loop = asyncio.get_running_loop()
    if old is not None:
        shown = await loop.run_in_executor(None, _scrypt, old, salt)
        if not hmac.compare_digest(shown, known[:_HASH]):
            raise AccessDenied("The old password was incorrect.")
    password_policy.check(call, password)
    # All of a user's hashes have one salt, so that a new password is compared with those before by a single hash.
    hashed = await loop.run_in_executor(None, _scrypt, password, salt)
    used = [known[at : at + _HASH] for at in range(0, len(known), _HASH)]
    if any(hmac.compare_digest(hashed, one) for one in used[: password_policy.reuse_prevented(call)]):
        raise PasswordPolicyViolation("Password does not conform to the account password policy: it was used before.")
    return call.seal.seal(salt + b"".join([hashed, *used][: password_policy.MOST_KEPT]), user.id.encode())


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=_MOST_MEMORY, dklen=_HASH, **_MEASURES)


def _user(call: Call, user_name: str | None) -> Entity:
    """The user meant; the account's root has no login profile."""
    return lookup.entity(call, "user", lookup.own_name(call, user_name) or "root")


def _refuse_second(call: Call, user: Entity) -> None:
    if resource_tables.owned(call.db, user.row, KIND):
        raise EntityAlreadyExists(f"Login Profile for user {user.name} already exists.")


def _find(call: Call, user: Entity) -> Resource:
    found = resource_tables.owned(call.db, user.row, KIND)
    if not found:
        raise NoSuchEntity(f"Login Profile for User {user.name} cannot be found.")
    return found[0]


def _describe(user: Entity, profile: Resource) -> dict[str, Any]:
    return {
        "UserName": user.name,
        "CreateDate": profile.created,
        "PasswordResetRequired": bool(profile.facts["reset"]),
    }
