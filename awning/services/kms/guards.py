"""What a key says about its users: its policy, and its grants as further statements that allow.

A grant is compiled into a statement whose principal is the grantee and whose conditions are its constraints; so one pure
decision counts key policy, grants and the caller's own policies.
Source: the developer guide's "Grants in AWS KMS" and "Determining access to AWS KMS keys".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from awning.auth.conditions import Condition
from awning.auth.members import Members
from awning.auth.policy import Policy, Statement, compile_policy
from awning.auth.principal import Principal
from awning.kit.call import Call
from awning.kit.service import Guard
from awning.services.kms import tables
from awning.services.kms.lookup import Name, look_up
from awning.services.kms.memory import Memory
from awning.services.kms.tables import GrantRow, KeyRow

Context: TypeAlias = Mapping[str, Any]

CONTEXT = "awning:encryption-context"
"""A request's encryption context as pairs, for grants' constraints: names keep their case, as in no condition key."""
CONSTRAINT = "awning:grant-constraint"
"""The constraint of the grant that CreateGrant is to make, as pairs."""
GRANT = "awning:grant"
"""The id of the grant that RetireGrant is about."""

_FEW: Final = 100
"""Of so many grants of one caller its guard is made; where there are more, each request finds those that it may come under."""

_BOUND = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    }
)
"""Operations that have an encryption context."""


def guard(call: Call, arn: str) -> Guard | None:
    """What the committed key of an ARN says to the caller; an alias belongs to its account and says nothing."""
    return guard_for(call, arn, call.principal)


def guard_for(call: Call, arn: str, principal: Principal) -> Guard | None:
    """As guard(), to somebody else: the policy with those grants that are about a principal."""
    memory: Memory = call.memory
    kept = memory.guard(arn, principal)
    if kept is not None:
        return kept
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("key/"):
        return None
    name = Name(parts[4], parts[3], parts[5].removeprefix("key/"), "")
    key = look_up(call, name)
    if key is None:
        return None
    policy = memory.policy(arn) or compiled(key)
    most = -1 if principal.kind == "service" else _FEW + 1
    about = tables.grants_about(call.db, key.id, _names(principal), _ids(principal), most) if key.id else []
    if len(about) > _FEW and most > 0:
        found = Guard(key.account, policy, narrowed=partial(_narrowed, key.id, policy))
    else:
        found = Guard(key.account, _with_grants(call, policy, about) if about else policy)
    if call.sees_committed:
        memory.keep_guard(arn, policy, principal, found)
    return found


def compiled(key: KeyRow) -> Policy:
    """The key policy without grants. Raises MalformedPolicy."""
    return compile_policy(key.policy, id=key.arn, kind="key", needs_resource=False, ids=key.policy_ids)


def _names(principal: Principal) -> list[str]:
    """By which names a grant may mean a caller."""
    if principal.kind == "service":
        return [principal.name]
    account = principal.account
    names = (principal.arn, principal.caller_arn, principal.owner_arn, account, f"arn:aws:iam::{account}:root")
    return [name for name in dict.fromkeys(names) if name]


def _ids(principal: Principal) -> list[str]:
    """The unique ids by which a grant may mean a caller, whatever its name was then."""
    return [one for one in (principal.user_id.partition(":")[0], principal.owner_id) if one]


def _narrowed(key: int, policy: Policy, call: Call, principal: Principal, action: str, context: Context) -> Policy:
    """A key policy with those of a caller's very many grants that one request may come under."""
    operation = action.partition(":")[2]
    if operation == "RetireGrant":
        grant = tables.find_grant(call.db, str(context.get(GRANT)))
        return policy if grant is None or grant.key != key else _with_grants(call, policy, [(grant.id, grant.grant_id)])
    given = context.get(CONSTRAINT if operation == "CreateGrant" else CONTEXT) or ()
    pairs = [tuple(json.loads(one)) for one in given] if operation in _BOUND or operation == "CreateGrant" else None
    found = tables.grants_for(call.db, key, _names(principal), _ids(principal), operation, pairs)
    return _with_grants(call, policy, found)


def _with_grants(call: Call, policy: Policy, grants: Iterable[tuple[int, str]]) -> Policy:
    """A key policy with those of its grants that are about a caller: of its thousands they are few."""
    memory: Memory = call.memory
    statements = list(policy.statements)
    for number, grant_id in grants:
        made = memory.granted.get(grant_id)
        if made is None:
            made = _statements(tables.grant_at(call.db, number), len(policy.statements))
            memory.granted.put(grant_id, made)
        statements += made
    return Policy(policy.id, "key", policy.version, statements, policy.document)


def _statements(grant: GrantRow, index: int) -> list[Statement]:
    operations = set(grant.operations)
    constraints = grant.constraints
    source = [Condition("ArnLike", "aws:SourceArn", [constraints["SourceArn"]], variables=False)] if (
        "SourceArn" in constraints
    ) else []  # fmt: skip
    bound = sorted(operations & _BOUND)
    free = sorted(operations - _BOUND - {"CreateGrant", "RetireGrant"})
    made = []
    if bound:
        made.append(_statement(grant, index, bound, [*_context_conditions(constraints, CONTEXT), *source]))
    if free:
        made.append(_statement(grant, index, free, source))
    if "CreateGrant" in operations:
        within = Condition("ForAllValues:StringEquals", "kms:GrantOperations", sorted(operations), variables=False)
        stricter = [*_context_conditions(constraints, CONSTRAINT), within, *source]
        if "EncryptionContextEquals" in constraints:
            stricter.append(
                Condition("StringEquals", "kms:GrantConstraintType", ["EncryptionContextEquals"], variables=False)
            )
        made.append(_statement(grant, index, ["CreateGrant"], stricter))
    this = Condition("StringEquals", GRANT, [grant.grant_id], variables=False)
    if "RetireGrant" in operations:
        made.append(_statement(grant, index, ["RetireGrant"], [this]))
    if grant.retiring is not None:
        made.append(_statement(grant, index, ["RetireGrant"], [this], retires=True))
    return made


def _statement(
    grant: GrantRow, index: int, operations: list[str], conditions: list[Condition], *, retires: bool = False
) -> Statement:
    who, service = (grant.retiring or "", grant.retiring_service) if retires else (grant.grantee, grant.grantee_service)
    return Statement(
        index,
        f"grant {grant.grant_id}",
        deny=False,
        actions=[f"kms:{operation}" for operation in operations],
        not_action=False,
        resources=[],
        not_resource=False,
        variables=False,
        members=Members({"Service" if service else "AWS": [who]}, negated=False, ids=grant.ids),
        conditions=tuple(conditions),
    )


def pairs(context: Mapping[str, str] | None) -> list[str]:
    """An encryption context as a list of texts, one for each pair."""
    return [json.dumps([name, value]) for name, value in sorted((context or {}).items())]


def _context_conditions(constraints: Mapping[str, Mapping[str, str]], key: str) -> list[Condition]:
    wanted = constraints.get("EncryptionContextEquals") or constraints.get("EncryptionContextSubset")
    if not wanted:
        return []
    found = [Condition("ForAnyValue:StringEquals", key, [pair], variables=False) for pair in pairs(wanted)]
    if "EncryptionContextEquals" in constraints:
        found.append(Condition("ForAllValues:StringEquals", key, pairs(wanted), variables=False))
    return found
