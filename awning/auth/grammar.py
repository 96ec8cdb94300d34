"""check_identity: what IAM finds fault with in the policies of users, roles and groups, in IAM's order and words.

A document has several faults at once more often than not, and clients compare messages, so the order of the passes is the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from awning.auth.conditions import base_of, read_date
from awning.auth.malformed import SYNTAX, VERSIONS, MalformedPolicy, check_action, listed

_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"]
)
_LEGACY = "The policy failed legacy parsing"
_IAM_PATHS = (
    "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
    "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
)  # fmt: skip
_PARTITION = re.compile(r"aws[a-z-]*|\*")
_SID = re.compile(r"[A-Za-z0-9]*")

Statements = list[tuple[int, Mapping[str, Any]]]


def check_identity(document: Mapping[str, Any], *, newest: bool) -> None:
    """Raise MalformedPolicy for the fault that IAM names. newest: version 2012-10-17 is asked for, as of managed policies."""
    statements = _check_syntax(document)
    if newest and document.get("Version") != "2012-10-17":
        raise MalformedPolicy("Policy document must be version 2012-10-17 or greater.", "Version")
    _check_effects_and_dates(statements)
    fault: MalformedPolicy | None = None
    for place, resource in _texts(statements, "Resource", "NotResource"):
        fault = fault or _fault_of_resource(resource, place)
        if fault is None and not _is_legacy_resource(resource):
            raise MalformedPolicy(_LEGACY, place)
    _check_sids(statements)
    for index, statement in statements:
        if not any(listed(statement.get(name, [])) for name in ("Action", "NotAction")):
            raise MalformedPolicy("Policy statement must contain actions.", f"Statement[{index}].Action")
    if fault is not None:
        raise fault
    for names in (("Action",), ("NotAction",)):
        for place, action in _texts(statements, *names):
            check_action(action, place)
    for index, statement in statements:
        if not any(listed(statement.get(name, [])) for name in ("Resource", "NotResource")):
            raise MalformedPolicy("Policy statement must contain resources.", f"Statement[{index}].Resource")
        for name in ("Principal", "NotPrincipal"):
            if name in statement:
                raise MalformedPolicy("Policy document should not specify a principal.", f"Statement[{index}].{name}")


def _check_syntax(document: Mapping[str, Any]) -> Statements:
    for name, value in document.items():
        if name not in _POLICY_ELEMENTS or (name == "Id" and not isinstance(value, str)):
            raise MalformedPolicy(SYNTAX, name)
    if document.get("Version", "2012-10-17") not in VERSIONS:
        raise MalformedPolicy(SYNTAX, "Version")
    if not listed(document.get("Statement", [])):
        raise MalformedPolicy(SYNTAX, "Statement")
    statements = list(enumerate(listed(document["Statement"])))
    for index, statement in statements:
        fault = _syntax_fault(statement)
        if fault is not None:
            raise MalformedPolicy(SYNTAX, f"Statement[{index}]" + (f".{fault}" if fault else ""))
    return statements


def _syntax_fault(statement: Any) -> str | None:
    """Which element of a statement is wrong ("" for the whole), None where none is."""
    if not isinstance(statement, dict):
        return ""
    for name in statement:
        if name not in _STATEMENT_ELEMENTS:
            return str(name)
    effect = statement.get("Effect")
    if not isinstance(effect, str) or effect.lower() not in ("allow", "deny"):
        return "Effect"
    if not isinstance(statement.get("Sid", ""), str):
        return "Sid"
    for name in ("Action", "Resource", "Principal"):
        if name in statement and "Not" + name in statement:
            return "Not" + name
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if not all(isinstance(one, str) for one in listed(statement.get(name, []))):
            return name
    return _condition_fault(statement["Condition"]) if "Condition" in statement else None


def _condition_fault(block: Any) -> str | None:
    if not isinstance(block, dict):
        return "Condition"
    for name, keys in block.items():
        if not isinstance(keys, dict) or (keys and base_of(name) is None):
            return f"Condition.{name}"
        for key, values in keys.items():
            if not all(isinstance(one, (str, bool, int, float)) for one in listed(values)):
                return f"Condition.{name}.{key}"
    return None


def _check_effects_and_dates(statements: Statements) -> None:
    for index, statement in statements:
        if statement["Effect"] not in ("Allow", "Deny"):
            raise MalformedPolicy(_LEGACY, f"Statement[{index}].Effect")
        for name, keys in statement.get("Condition", {}).items():
            if not (base_of(name) or "").startswith("Date"):
                continue
            for key, values in keys.items():
                for value in listed(values):
                    try:
                        read_date(value)
                    except ValueError:
                        raise MalformedPolicy(_LEGACY, f"Statement[{index}].Condition.{name}.{key}") from None


def _check_sids(statements: Statements) -> None:
    seen: set[str] = set()
    for index, statement in statements:
        sid = statement.get("Sid", "")
        place = f"Statement[{index}].Sid"
        if not _SID.fullmatch(sid):
            raise MalformedPolicy(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
                "[A-Za-z0-9]*",
                place,
            )
        if sid in seen:
            raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.", place)
        if sid:
            seen.add(sid)


def _texts(statements: Statements, *names: str) -> Iterator[tuple[str, str]]:
    for index, statement in statements:
        for name in names:
            for text in listed(statement.get(name, [])):
                yield f"Statement[{index}].{name}", text


def _fault_of_resource(resource: str, place: str) -> MalformedPolicy | None:
    """What is wrong with a resource's form; it is told only after what else the policy lacks."""
    if resource == "*":
        return None
    parts = resource.split(":", 5)
    if len(parts) < 2:
        return MalformedPolicy(f'Resource {resource} must be in ARN format or "*".', place)
    if not _PARTITION.fullmatch(parts[1]) or parts[0] != "arn":
        rest = (resource.split(":", 5)[2:] + ["*"] * 4)[:4]
        return MalformedPolicy(
            f'Partition "{parts[1]}" is not valid for resource "arn:{parts[1]}:{":".join(rest)}".', place
        )
    if len(parts) < 3 or re.search(r"[*?]", parts[2]):
        return MalformedPolicy("Resource vendor must be fully qualified and cannot contain regexes.", place)
    if len(parts) < 6:
        return None
    vendor, region, path = parts[2], parts[3], parts[5]
    if vendor == "iam" and region:
        return MalformedPolicy(f"IAM resource {resource} cannot contain region information.", place)
    if vendor == "s3" and region and not path.startswith("accesspoint/"):
        return MalformedPolicy(f"Resource {resource} can not contain region information.", place)
    if (
        vendor == "iam"
        and path not in ("*", "root")
        and not path.startswith(_IAM_PATHS)
        and not re.match(r"[a-z-]*[*?$]", path)
    ):
        return MalformedPolicy(
            f'IAM resource path must either be "*", root, or start with {", ".join(_IAM_PATHS)}.',
            place,
        )
    return None


def _is_legacy_resource(resource: str) -> bool:
    """Whether the older parser takes a resource: one with an empty segment must have all six."""
    if resource == "*":
        return True
    parts = resource.split(":")
    return (len(parts) >= 6 or "::" not in resource) and parts[2] != ""
