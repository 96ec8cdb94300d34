"""The policy simulator: what policies would decide, by the evaluator that decides every request.

Nothing is asked of the resources: a resource's policy, and every condition key, is what the caller says it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from awning.auth.decision import Why
from awning.auth.evaluate import decide
from awning.auth.malformed import listed
from awning.auth.policy import Kind, MalformedPolicy, Policy, Statement, compile_policy
from awning.auth.principal import Principal
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.iam import lookup, managed, tables
from awning.services.iam.errors import InvalidInput
from awning.services.iam.offers import principal_of
from awning.services.iam.pages import page
from awning.services.iam.positions import span_of_statement
from awning.services.iam.turns import next_turn

_ACTION: Final = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z0-9-]+:[^},]+?)\s*(?:,[^}]*)?\}")
_SLICE: Final = 20
"""Evaluations at once: about 2 ms."""
_DENIED: Final = frozenset({Why.DENIED_BY_IDENTITY, Why.DENIED_BY_BOUNDARY, Why.DENIED_BY_RESOURCE})


@dataclass(frozen=True, slots=True)
class _Case:
    """What is simulated: who asks, with which policies' texts (by id), for what is guarded by what."""

    principal: Principal
    texts: Mapping[str, str]
    guard: Policy | None
    owner: str
    context: Mapping[str, Any]


@operation(Needs("iam:SimulateCustomPolicy", "*"), honours={"context_entries": ALL})
async def simulate_custom_policy(
    call: Call,
    policy_input_list: list[str],
    action_names: list[str],
    permissions_boundary_policy_input_list: list[str] | None = None,
    resource_arns: list[str] | None = None,
    resource_policy: str | None = None,
    resource_owner: str | None = None,
    caller_arn: str | None = None,
    context_entries: list[dict[str, Any]] | None = None,
    max_items: int | None = None,
    marker: str | None = None,
) -> dict[str, Any]:
    """Say what these policies would decide about actions on resources."""
    if resource_policy is not None and caller_arn is None:
        raise InvalidInput("CallerArn is required where a ResourcePolicy is given.")
    arn = caller_arn or f"arn:aws:iam::{call.account}:user/simulated"
    principal = Principal("user", _account_of(arn), arn, arn, "", arn.rpartition("/")[2])
    case = _case(
        principal, {}, policy_input_list, permissions_boundary_policy_input_list, resource_policy, resource_owner,
        context_entries,
    )  # fmt: skip
    return await _simulate(case, action_names, resource_arns, max_items, marker)


def _source_arn(call: Call, params: Params) -> str:
    value: str = params["policy_source_arn"]
    return value


@operation(Needs("iam:SimulatePrincipalPolicy", _source_arn), honours={"context_entries": ALL})
async def simulate_principal_policy(
    call: Call,
    policy_source_arn: str,
    action_names: list[str],
    policy_input_list: list[str] | None = None,
    permissions_boundary_policy_input_list: list[str] | None = None,
    resource_arns: list[str] | None = None,
    resource_policy: str | None = None,
    resource_owner: str | None = None,
    caller_arn: str | None = None,
    context_entries: list[dict[str, Any]] | None = None,
    max_items: int | None = None,
    marker: str | None = None,
) -> dict[str, Any]:
    """Say what the policies of a user, group or role, and some more, would decide about actions on resources."""
    principal, texts = _source(call, policy_source_arn)
    if caller_arn is not None:
        account = _account_of(caller_arn)
        name = caller_arn.rpartition("/")[2]
        principal = replace(principal, arn=caller_arn, caller_arn=caller_arn, account=account, name=name)
    case = _case(
        principal, texts, policy_input_list or (), permissions_boundary_policy_input_list, resource_policy,
        resource_owner, context_entries,
    )  # fmt: skip
    return await _simulate(case, action_names, resource_arns, max_items, marker)


@operation(Needs("iam:GetContextKeysForCustomPolicy", "*"), reads=True)
def get_context_keys_for_custom_policy(call: Call, policy_input_list: list[str]) -> dict[str, Any]:
    """Name the condition keys that policies ask for, in their conditions and variables."""
    for number, text in enumerate(policy_input_list, 1):
        _compile(text, f"PolicyInputList.{number}", "identity")
    return {"ContextKeyNames": _keys_of(policy_input_list)}


@operation(Needs("iam:GetContextKeysForPrincipalPolicy", _source_arn), reads=True)
def get_context_keys_for_principal_policy(
    call: Call, policy_source_arn: str, policy_input_list: list[str] | None = None
) -> dict[str, Any]:
    """Name the condition keys that the policies of a user, group or role, and some more, ask for."""
    _, texts = _source(call, policy_source_arn)
    for number, text in enumerate(policy_input_list or (), 1):
        _compile(text, f"PolicyInputList.{number}", "identity")
    return {"ContextKeyNames": _keys_of([*texts.values(), *(policy_input_list or ())])}


def _source(call: Call, arn: str) -> tuple[Principal, dict[str, str]]:
    """The user, group or role of an ARN with its policies, and their texts by id. Raises InvalidInput, NoSuchEntity."""
    parts = arn.split(":", 5)
    kind = parts[5].partition("/")[0] if len(parts) == 6 else ""
    if kind not in ("user", "group", "role") or parts[2] != "iam":
        raise InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    entity = tables.find_entity_by_arn(call.db, arn)
    if entity is None or entity.account != call.account:
        entity = lookup.entity(call, tables.KINDS[kind], arn.rpartition("/")[2])
    rows = [entity.row]
    if entity.kind == "user":
        rows += [group.row for group in tables.groups_of(call.db, entity.row)]
    inline, attached = tables.documents_of(call.db, rows)
    texts = dict(inline)
    for policy, document in attached:
        own = managed.find(policy)
        texts[policy] = document if document is not None else own[1].document if own is not None else ""
    return principal_of(call, entity), texts


def _case(
    principal: Principal,
    texts: Mapping[str, str],
    more: Sequence[str],
    boundary: Sequence[str] | None,
    resource_policy: str | None,
    resource_owner: str | None,
    entries: Sequence[Mapping[str, Any]] | None,
) -> _Case:
    """Put a simulation together. Raises InvalidInput for policies that do not compile."""
    named = dict(texts)
    policies = list(principal.policies)
    for number, text in enumerate(more, 1):
        named[f"PolicyInputList.{number}"] = text
        policies.append(_compile(text, f"PolicyInputList.{number}", "identity"))
    bound = principal.boundary
    if boundary:
        if len(boundary) > 1:
            raise InvalidInput("A simulation has at most one permissions boundary.")
        named["PermissionsBoundaryPolicyInputList.1"] = boundary[0]
        bound = _compile(boundary[0], "PermissionsBoundaryPolicyInputList.1", "boundary")
    guard = None
    if resource_policy is not None:
        named["ResourcePolicy"] = resource_policy
        guard = _compile(resource_policy, "ResourcePolicy", "resource")
    owner = principal.account if resource_owner is None else _account_of(resource_owner)
    context: dict[str, Any] = {"aws:principalarn": principal.arn, "aws:principalaccount": principal.account}
    if principal.kind == "user":
        context["aws:username"] = principal.name
    if principal.user_id:
        context["aws:userid"] = principal.user_id
    context |= {f"aws:principaltag/{key.lower()}": value for key, value in principal.tags.items()}
    for entry in entries or ():
        values = entry.get("ContextKeyValues") or []
        several = entry.get("ContextKeyType", "string").endswith("List") or len(values) != 1
        context[entry["ContextKeyName"].lower()] = values if several else values[0]
    asks = replace(principal, policies=tuple(policies), boundary=bound)
    return _Case(asks, named, guard, owner, context)


def _compile(text: str, id: str, kind: Kind) -> Policy:
    try:
        return compile_policy(text, id=id, kind=kind)
    except MalformedPolicy as error:
        raise InvalidInput(f"Invalid Input {id}: {error}") from error


async def _simulate(
    case: _Case, actions: Sequence[str], resources: Sequence[str] | None, max_items: int | None, marker: str | None
) -> dict[str, Any]:
    """Decide page by page: only what is shown is worked out, and other requests have their turn meanwhile."""
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise InvalidInput(f"Invalid action name: {action}. It must be a service's prefix and an operation.")
    pairs = [(action, resource) for action in actions for resource in resources or ("*",)]

    def fetch(after: str, limit: int) -> Iterable[tuple[int, str, str]]:
        start = int(after) + 1 if after.isdigit() else 0
        return ((number, *pairs[number]) for number in range(start, min(start + limit, len(pairs))))

    found, more = page(marker, max_items, lambda item: str(item[0]), fetch)
    results = []
    for number, action, resource in found:
        results.append(_evaluate(case, action, resource))
        if number % _SLICE == 0:
            await next_turn()
    return {"EvaluationResults": results, **more}


def _evaluate(case: _Case, action: str, resource: str) -> dict[str, Any]:
    principal, context = case.principal, case.context
    account = resource.split(":", 5)[4] if resource.count(":") >= 5 else ""
    decision = decide(
        principal,
        action,
        resource,
        context,
        guard_policy=case.guard,
        resource_account=account if account.isdigit() else case.owner,
    )
    outcome = "allowed" if decision.allowed else "explicitDeny" if decision.reason in _DENIED else "implicitDeny"
    relevant = list(_relevant(case, action, resource))
    matched = []
    if outcome != "implicitDeny":
        matched = [
            _describe(case, policy, statement)
            for policy, statement in relevant
            if statement.deny is (outcome == "explicitDeny")
            and (statement.deny or policy.kind != "boundary")
            and statement.covers(resource, context)
        ]
    missing = sorted(
        {
            key
            for policy, statement in relevant
            for key in _keys_of_statement(policy, statement)
            if context.get(key.lower()) is None
        }
    )
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": outcome,
        "MatchedStatements": matched,
        "MissingContextValues": missing,
    }
    specific: dict[str, Any] = {
        "EvalResourceName": resource,
        "EvalResourceDecision": outcome,
        "MatchedStatements": matched,
        "MissingContextValues": missing,
    }
    if principal.boundary is not None:
        bounded = replace(principal, policies=(principal.boundary,), boundary=None)
        within = decide(bounded, action, resource, context, guard_policy=None, resource_account=principal.account)
        detail = {"AllowedByPermissionsBoundary": within.allowed}
        result["PermissionsBoundaryDecisionDetail"] = specific["PermissionsBoundaryDecisionDetail"] = detail
    if resource != "*":
        result |= {"EvalDecisionDetails": {}, "ResourceSpecificResults": [specific]}
    return result


def _relevant(case: _Case, action: str, resource: str) -> Iterator[tuple[Policy, Statement]]:
    """The statements about an action and a resource, whatever their conditions say."""
    principal = case.principal
    policies = [*principal.policies, *((principal.boundary,) if principal.boundary is not None else ())]
    for policy in [*policies, *((case.guard,) if case.guard is not None else ())]:
        for statements in policy.about(action):
            for statement in statements:
                if statement.reach(principal) and statement.names(resource, case.context) is not statement.not_resource:
                    yield policy, statement


def _describe(case: _Case, policy: Policy, statement: Statement) -> dict[str, Any]:
    result: dict[str, Any] = {
        "SourcePolicyId": policy.id.rpartition("/")[2] if policy.id.startswith("arn:") else policy.id,
        "SourcePolicyType": "Resource Policy" if policy.kind == "resource" else "IAM Policy",
    }
    text = case.texts.get(policy.id)
    if text is not None:
        start, end = span_of_statement(text, statement.index)
        result["StartPosition"] = {"Line": start[0], "Column": start[1]}
        result["EndPosition"] = {"Line": end[0], "Column": end[1]}
    return result


def _keys_of_statement(policy: Policy, statement: Statement) -> list[str]:
    return _keys_in(listed(policy.document["Statement"])[statement.index])


def _keys_of(texts: Iterable[str]) -> list[str]:
    """The condition keys of policies, each once however it is written, in the order in which they come."""
    found: dict[str, str] = {}
    for text in texts:
        for statement in listed(json.loads(text)["Statement"]):
            for key in _keys_in(statement):
                found.setdefault(key.lower(), key)
    return list(found.values())


def _keys_in(statement: Mapping[str, Any]) -> list[str]:
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition") or {}
    keys = [key for block in conditions.values() for key in block]
    parts = [conditions, *(statement.get(name) for name in ("Resource", "NotResource"))]
    return [*keys, *(key.strip() for part in parts if part for key in _VARIABLE.findall(json.dumps(part)))]


def _account_of(arn: str) -> str:
    """The account of an ARN, or an account's 12 digits. Raises InvalidInput."""
    account = arn.split(":", 5)[4] if arn.count(":") >= 5 else arn
    if len(account) != 12 or not account.isdigit():
        raise InvalidInput(f"Invalid ARN: {arn} names no account.")
    return account
