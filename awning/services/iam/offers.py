"""What iam answers to other rooms and to the gateway: whose key, which role, which policy. It only reads."""

from __future__ import annotations

from awning.auth.principal import Principal, root_of
from awning.contracts import (
    Credential,
    FindCredential,
    FindPolicyText,
    FindPrincipalIds,
    FindRole,
    FindUser,
    PrincipalExists,
    RoleFacts,
)
from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.services.iam import managed, tables
from awning.services.iam.tables import Entity


def find_credential(call: Call, question: FindCredential) -> Credential | None:
    """The credential of a long-term access key, with all that its owner may do."""
    key = tables.find_key(call.db, question.access_key_id)
    if key is None:
        return None
    if key.owner is None:
        principal = root_of(key.account)
    else:
        user = tables.entity_of_row(call.db, key.owner)
        if user is None:
            return None
        principal = principal_of(call, user)
    secret = call.seal.open(key.secret, key.id.encode()).decode()
    return Credential(key.id, secret, principal, active=key.status == "Active")


def find_user(call: Call, question: FindUser) -> Principal | None:
    """A user as policies see it, by unique id."""
    user = tables.entity_of_id(call.db, question.user_id)
    return principal_of(call, user) if user is not None and user.kind == "user" else None


def principal_exists(call: Call, question: PrincipalExists) -> bool:
    """Whether a user or role has exactly this ARN."""
    found = tables.find_entity_by_arn(call.db, question.arn)
    return found is not None and found.kind in ("user", "role")


def find_principal_ids(call: Call, question: FindPrincipalIds) -> dict[str, str]:
    """The unique ids of users and roles by ARN, of a role's session its role's."""
    found: dict[str, str] = {}
    for arn in question.arns:
        _, _, service, _, account, path = arn.split(":", 5)
        kind, _, name = path.partition("/")
        if service == "iam":
            entity = tables.find_entity_by_arn(call.db, arn)
        elif kind == "assumed-role":
            entity = tables.find_entity(call.db, account, "role", name.partition("/")[0])
        else:
            entity = None  # a federated user's name is nobody's but its session's
        if entity is not None and entity.kind in ("user", "role"):
            found[arn] = entity.id
    return found


def find_role(call: Call, question: FindRole) -> RoleFacts | None:
    """A role by its ARN; of its principal `caller_arn` and `user_id` are the role's own, not a session's."""
    role = tables.find_entity_by_arn(call.db, question.arn)
    if role is None or role.kind != "role":
        return None
    return RoleFacts(
        account=role.account,
        name=role.name,
        arn=role.arn,
        role_id=role.id,
        trust=role.trust or "",
        max_session_seconds=role.max_session or 3600,
        principal=principal_of(call, role),
        tags=role.tags,
        trust_ids=role.trust_ids,
    )


def find_policy_text(call: Call, question: FindPolicyText) -> str | None:
    """A managed policy's default document."""
    return _text(call, question.arn)


def principal_of(call: Call, entity: Entity) -> Principal:
    """A user or role as policies see it: its own policies and its groups', boundary and tags."""
    compiled: Compiled = call.memory
    bound = entity.boundary
    rows = [entity.row]
    if entity.kind == "user":
        rows += [group.row for group in tables.groups_of(call.db, entity.row)]
    inline, attached = tables.documents_of(call.db, rows)
    policies = [compiled.get("identity", name, document) for name, document in inline]
    policies += [compiled.get("identity", arn, document or _needed(call, arn)) for arn, document in attached]
    return Principal(
        kind="role" if entity.kind == "role" else "user",
        account=entity.account,
        arn=entity.arn,
        caller_arn=entity.arn,
        user_id=entity.id,
        name=entity.name,
        policies=tuple(policies),
        boundary=compiled.get("boundary", bound, _needed(call, bound)) if bound is not None else None,
        tags=entity.tags,
    )


def _needed(call: Call, arn: str) -> str:
    """The document of a policy in use, which cannot be deleted."""
    text = _text(call, arn)
    if text is None:
        raise LookupError(f"The policy {arn} is in use and has no document.")
    return text


def _text(call: Call, arn: str) -> str | None:
    own = managed.find(arn)
    if own is not None:
        return own[1].document
    policy = tables.find_policy(call.db, arn)
    version = tables.find_version(call.db, policy.row, policy.default_version) if policy else None
    return version.document if version else None
