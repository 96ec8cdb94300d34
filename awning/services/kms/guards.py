"""What a key says about its users: its policy, and its grants as further statements that allow.

A grant is compiled into a statement whose principal is the grantee and whose conditions are its constraints; so one pure
decision counts key policy, grants and the caller's own policies.
Source: the developer guide's "Grants in AWS KMS" and "Determining access to AWS KMS keys".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from awning.auth.conditions import Condition
from awning.auth.members import Members
from awning.auth.policy import Policy, Statement, compile_policy
from awning.kit.call import Call
from awning.kit.service import Guard
from awning.services.kms import tables
from awning.services.kms.lookup import Name, look_up
from awning.services.kms.memory import Memory
from awning.services.kms.tables import GrantRow, KeyRow

CONTEXT = "awning:encryption-context"
"""A request's encryption context as pairs, for grants' constraints: names keep their case, as in no condition key."""
CONSTRAINT = "awning:grant-constraint"
"""The constraint of the grant that CreateGrant is to make, as pairs."""
GRANT = "awning:grant"
"""The id of the grant that RetireGrant is about."""

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
    """What the committed key of an ARN says; an alias belongs to its account and says nothing."""
    memory: Memory = call.memory
    kept = memory.guards.get(arn)
    if kept is not None:
        return kept
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("key/"):
        return None
    name = Name(parts[4], parts[3], parts[5].removeprefix("key/"), "")
    key = look_up(call, name)
    if key is None:
        return None
    found = Guard(key.account, compiled(key, tables.grants_of(call.db, key.id) if key.id else ()))
    if call.sees_committed:
        memory.keep_guard(arn, found)
    return found


def compiled(key: KeyRow, grants: Iterable[GrantRow]) -> Policy:
    """The key policy with its grants. Raises MalformedPolicy."""
    policy = compile_policy(key.policy, id=key.arn, kind="key", needs_resource=False, ids=key.policy_ids)
    statements = list(policy.statements)
    for grant in grants:
        statements += _statements(grant, len(statements))
    return Policy(key.arn, "key", policy.version, statements, policy.document)


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
