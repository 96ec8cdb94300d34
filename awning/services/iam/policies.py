"""Managed policies and their versions: at most five, one of them the default, which is the one in effect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, managed, tables
from awning.services.iam.documents import check_managed, encode
from awning.services.iam.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity, ValidationError
from awning.services.iam.names import check_name, check_path, new_id, read_tags, write_tags
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import ENTITIES_PER_ACCOUNT, POLICY_VERSIONS
from awning.services.iam.tables import Policy, Version

_VERSION: Final = re.compile(r"v([1-9][0-9]*)")
_USES: Final = MappingProxyType({"PermissionsPolicy": "attached", "PermissionsBoundary": "bounding"})


def describe(policy: Policy, whole: bool = True) -> dict[str, Any]:
    """A Policy as replies have it; lists leave out its description and tags."""
    result: dict[str, Any] = {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": policy.attached,
        "PermissionsBoundaryUsageCount": policy.bounding,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    if whole and policy.description is not None:
        result["Description"] = policy.description
    if whole:
        result["Tags"] = write_tags(policy.tags)
    return result


@operation(
    Needs("iam:CreatePolicy", lookup.new_arn("policy")),
    Needs("iam:TagPolicy", lambda call, params: lookup.new_arn("policy")(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
def create_policy(
    call: Call,
    policy_name: str,
    policy_document: str,
    path: str = "/",
    description: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Create a managed policy; its document is version v1 and in effect."""
    check_name("policy", policy_name, "policyName")
    check_path("policy", path)
    if tables.policy_named(call.db, call.account, policy_name) is not None:
        raise EntityAlreadyExists(f"A policy called {policy_name} already exists. Duplicate names are not allowed.")
    quota, most = ENTITIES_PER_ACCOUNT["policy"]
    if tables.count_policies(call.db, call.account) >= most:
        raise LimitExceeded(f"Cannot exceed quota for {quota}: {most}")
    check_managed(call, policy_document)
    arn = tables.arn_of(call.account, "policy", path, policy_name)
    policy = Policy(
        0, call.account, policy_name, path, new_id(call, "policy"), arn, description, read_tags(tags, folded=False),
        call.now, call.now, 1, 1,
    )  # fmt: skip
    tables.add_policy(call.db, policy, policy_document)
    made = describe(policy, whole=False)
    return {"Policy": made | ({"Tags": write_tags(policy.tags)} if policy.tags else {})}


@operation(Needs("iam:GetPolicy", lookup.policy_arn), reads=True, context=lookup.conditions)
def get_policy(call: Call, policy_arn: str) -> dict[str, Any]:
    """Describe a managed policy and count its uses; the document is GetPolicyVersion's."""
    return {"Policy": describe(lookup.policy(call, policy_arn))}


@operation(
    Needs("iam:ListPolicies", lookup.path_arn("policy")), reads=True, honours={"scope": ALL, "policy_usage_filter": ALL}
)
def list_policies(
    call: Call,
    scope: str = "All",
    only_attached: bool = False,
    path_prefix: str = "/",
    policy_usage_filter: str | None = None,
    marker: str | None = None,
    max_items: int | None = None,
) -> dict[str, Any]:
    """List the account's managed policies by name, then AWS's own; `scope` is All, AWS or Local."""

    use = _USES[policy_usage_filter] if policy_usage_filter is not None else "used" if only_attached else ""

    def wanted(policy: Policy) -> bool:
        uses = {"": True, "attached": policy.attached, "bounding": policy.bounding}
        return policy.path.startswith(path_prefix) and bool(uses.get(use, policy.attached or policy.bounding))

    def fetch(after: str, limit: int) -> Iterable[Policy]:
        if scope != "AWS" and not after.startswith("aws/"):
            yield from tables.list_policies(call.db, call.account, after.removeprefix("0/"), limit, path_prefix, use)
        if scope != "Local":
            own = (lookup.counted(call, policy) for policy in managed.every() if _key(policy) > after)
            yield from filter(wanted, own)

    found, more = page(marker, max_items, _key, fetch)
    return {"Policies": [describe(policy, whole=False) for policy in found], **more}


@operation(Needs("iam:DeletePolicy", lookup.policy_arn), context=lookup.conditions)
def delete_policy(call: Call, policy_arn: str) -> None:
    """Delete a managed policy that nobody uses and that has only its default version left."""
    policy = _own(call, policy_arn)
    if policy.attached or policy.bounding:
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if len(tables.versions_of(call.db, policy.row)) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    tables.remove_policy(call.db, policy.row)


@operation(Needs("iam:CreatePolicyVersion", lookup.policy_arn), context=lookup.conditions)
def create_policy_version(
    call: Call, policy_arn: str, policy_document: str, set_as_default: bool = False
) -> dict[str, Any]:
    """Add a version; it is in effect only when it is made the default."""
    policy = _own(call, policy_arn)
    check_managed(call, policy_document)
    if len(tables.versions_of(call.db, policy.row)) >= POLICY_VERSIONS:
        raise LimitExceeded(
            f"A managed policy can have up to {POLICY_VERSIONS} versions. Before you create a new version, you must "
            "delete an existing version."
        )
    number = tables.add_version(call.db, policy, policy_document, call.now)
    if set_as_default:
        tables.set_default_version(call.db, policy.row, number, call.now)
    version = {"VersionId": f"v{number}", "IsDefaultVersion": set_as_default, "CreateDate": call.now}
    return {"PolicyVersion": version}


@operation(Needs("iam:GetPolicyVersion", lookup.policy_arn), reads=True, context=lookup.conditions)
def get_policy_version(call: Call, policy_arn: str, version_id: str) -> dict[str, Any]:
    """Return one version with its document."""
    policy = lookup.policy(call, policy_arn, _no_version(policy_arn, version_id))
    version = _version(call, policy, version_id)
    return {"PolicyVersion": {"Document": encode(version.document), **describe_version(policy, version)}}


@operation(Needs("iam:ListPolicyVersions", lookup.policy_arn), reads=True, context=lookup.conditions)
def list_policy_versions(
    call: Call, policy_arn: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a policy's versions, the newest first, without their documents."""
    policy = lookup.policy(call, policy_arn)
    own = managed.find(policy.arn)
    versions = [own[1]] if own else tables.versions_of(call.db, policy.row)
    found, more = page_of(versions, marker, max_items, lambda version: f"{2**40 - version.number:013}")
    return {"Versions": [describe_version(policy, version) for version in found], **more}


@operation(Needs("iam:SetDefaultPolicyVersion", lookup.policy_arn), context=lookup.conditions)
def set_default_policy_version(call: Call, policy_arn: str, version_id: str) -> None:
    """Put another version into effect."""
    policy = _own(call, policy_arn, _no_version(policy_arn, version_id))
    tables.set_default_version(call.db, policy.row, _version(call, policy, version_id).number, call.now)


@operation(Needs("iam:DeletePolicyVersion", lookup.policy_arn), context=lookup.conditions)
def delete_policy_version(call: Call, policy_arn: str, version_id: str) -> None:
    """Delete a version that is not the default."""
    policy = _own(call, policy_arn, _no_version(policy_arn, version_id))
    version = _version(call, policy, version_id)
    if version.number == policy.default_version:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    tables.remove_version(call.db, policy.row, version.number)


def _own(call: Call, arn: str, missing: str | None = None) -> Policy:
    """The account's own policy; those of AWS are nobody's to change."""
    policy = lookup.policy(call, arn, missing)
    if policy.account == "aws":
        raise ValidationError(f"Policy {arn} is managed by AWS and cannot be changed.")
    return policy


def _version(call: Call, policy: Policy, version_id: str) -> Version:
    matched = _VERSION.fullmatch(version_id)
    if matched is None:
        raise ValidationError(
            "1 validation error detected: Value at 'versionId' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        )
    number = int(matched[1]) if len(matched[1]) < 10 else 0
    own = managed.find(policy.arn)
    found = (
        tables.find_version(call.db, policy.row, number) if own is None else own[1] if number == own[1].number else None
    )
    if found is None:
        raise NoSuchEntity(_no_version(policy.arn, version_id))
    return found


def _no_version(arn: str, version_id: str) -> str:
    return f"Policy {arn} version {version_id} does not exist or is not attachable."


def describe_version(policy: Policy, version: Version) -> dict[str, Any]:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default_version,
        "CreateDate": version.created,
    }


def _key(policy: Policy) -> str:
    """Where a policy stands in a list: the account's own come first."""
    return "aws/" + policy.name if policy.account == "aws" else "0/" + policy.name.lower()
