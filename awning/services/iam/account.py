"""The account as a whole: its alias, what it has of what it may have, and all that decides who may do what in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import instance_profiles, lookup, managed, policies, resource_tables, roles, tables, users
from awning.services.iam.documents import encode
from awning.services.iam.errors import EntityAlreadyExists, NoSuchEntity, ValidationError
from awning.services.iam.groups import describe as describe_group
from awning.services.iam.names import write_tags
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import (
    ACCESS_KEYS_PER_USER,
    ATTACHED_POLICIES,
    ENTITIES_PER_ACCOUNT,
    GROUPS_PER_USER,
    INLINE_CHARACTERS,
    INSTANCE_PROFILES,
    MANAGED_POLICY_CHARACTERS,
    PAGE,
    POLICY_VERSIONS,
    SERVER_CERTIFICATES,
    SIGNING_CERTIFICATES_PER_USER,
    TRUST_POLICY_CHARACTERS,
)
from awning.services.iam.tables import Entity, Kind, Policy

_ALIAS: Final = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_TOKEN_VERSION: Final = "token-version"
_FILTERS: Final = ("User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy")
_MEMBERS: Final = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies", "Policies")


@operation(Needs("iam:CreateAccountAlias", "*"))
def create_account_alias(call: Call, account_alias: str) -> None:
    """Give the account an alias, unique in the region, instead of the one that it has."""
    _check_alias(account_alias)
    if resource_tables.account_of(call.db, account_alias) is not None:
        raise EntityAlreadyExists(f"The account alias {account_alias} already exists.")
    resource_tables.remove_alias(call.db, call.account)
    resource_tables.set_alias(call.db, call.account, account_alias)


@operation(Needs("iam:ListAccountAliases", "*"), reads=True)
def list_account_aliases(call: Call, marker: str | None = None, max_items: int | None = None) -> dict[str, Any]:
    """List the account's alias, if it has one."""
    alias = resource_tables.alias_of(call.db, call.account)
    found, more = page_of([] if alias is None else [alias], marker, max_items, str)
    return {"AccountAliases": found, **more}


@operation(Needs("iam:DeleteAccountAlias", "*"))
def delete_account_alias(call: Call, account_alias: str) -> None:
    """Take the account's alias away."""
    _check_alias(account_alias)
    if resource_tables.account_of(call.db, account_alias) != call.account:
        raise NoSuchEntity(f"The account alias {account_alias} cannot be found.")
    resource_tables.remove_alias(call.db, call.account)


@operation(Needs("iam:GetAccountSummary", "*"), reads=True)
def get_account_summary(call: Call) -> dict[str, Any]:
    """Count what the account has, and say what it may have."""
    db, account = call.db, call.account
    quotas = {kind: most for kind, (_, most) in ENTITIES_PER_ACCOUNT.items()}
    attached = {kind: most for kind, (_, most) in ATTACHED_POLICIES.items()}
    summary = {
        "Users": tables.count_entities(db, account, "user"),
        "UsersQuota": quotas["user"],
        "Groups": tables.count_entities(db, account, "group"),
        "GroupsQuota": quotas["group"],
        "Roles": tables.count_entities(db, account, "role"),
        "RolesQuota": quotas["role"],
        "Policies": tables.count_policies(db, account),
        "PoliciesQuota": quotas["policy"],
        "PolicyVersionsInUse": tables.count_versions(db, account),
        "PolicyVersionsInUseQuota": 10_000,
        "InstanceProfiles": resource_tables.count(db, account, "instance-profile"),
        "InstanceProfilesQuota": INSTANCE_PROFILES,
        "ServerCertificates": resource_tables.count(db, account, "server-certificate"),
        "ServerCertificatesQuota": SERVER_CERTIFICATES,
        "Providers": sum(resource_tables.count(db, account, kind) for kind in ("oidc-provider", "saml-provider")),
        "MFADevices": resource_tables.count(db, account, "mfa"),
        "MFADevicesInUse": resource_tables.count_owned(db, account, "mfa"),
        "AccountMFAEnabled": int(resource_tables.root_has(db, account, "mfa")),
        "AccountAccessKeysPresent": int(bool(tables.keys_of(db, account, None))),
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": int(resource_tables.root_has(db, account, "signing-certificate")),
        "AccessKeysPerUserQuota": ACCESS_KEYS_PER_USER,
        "SigningCertificatesPerUserQuota": SIGNING_CERTIFICATES_PER_USER,
        "GroupsPerUserQuota": GROUPS_PER_USER,
        "UserPolicySizeQuota": INLINE_CHARACTERS["user"],
        "GroupPolicySizeQuota": INLINE_CHARACTERS["group"],
        "RolePolicySizeQuota": INLINE_CHARACTERS["role"],
        "AttachedPoliciesPerUserQuota": attached["user"],
        "AttachedPoliciesPerGroupQuota": attached["group"],
        "AttachedPoliciesPerRoleQuota": attached["role"],
        "PolicySizeQuota": MANAGED_POLICY_CHARACTERS,
        "AssumeRolePolicySizeQuota": TRUST_POLICY_CHARACTERS,
        "VersionsPerPolicyQuota": POLICY_VERSIONS,
        "GlobalEndpointTokenVersion": resource_tables.setting(db, account, _TOKEN_VERSION) or 1,
    }
    return {"SummaryMap": summary}


@operation(Needs("iam:SetSecurityTokenServicePreferences", "*"), honours={"global_endpoint_token_version": ALL})
def set_security_token_service_preferences(call: Call, global_endpoint_token_version: str) -> None:
    """Say of which version tokens of the global endpoint are. Either is good in all regions that are on by default, and others
    awning does not have: so they differ in the account's summary only."""
    version = int(global_endpoint_token_version.removeprefix("v").removesuffix("Token"))
    resource_tables.set_setting(call.db, call.account, _TOKEN_VERSION, version)


@operation(Needs("iam:GetAccountAuthorizationDetails", "*"), reads=True, honours={"filter": ALL})
def get_account_authorization_details(
    call: Call, filter: list[str] | None = None, max_items: int | None = None, marker: str | None = None
) -> dict[str, Any]:
    """Describe all users, groups, roles and managed policies with their policies, in pages; `filter` says which of these."""
    wanted = [number for number, name in enumerate(_FILTERS) if not filter or name in filter]

    def fetch(after: str, limit: int) -> Iterable[tuple[int, str, Entity | Policy]]:
        start, _, behind = after.partition("/")
        for number in wanted:
            if not after or number >= int(start):
                for name, item in _items(call, number, behind if str(number) == start else "", limit):
                    yield number, name, item

    found, more = page(marker, max_items, lambda item: f"{item[0]}/{item[1]}", fetch, PAGE)
    result: dict[str, Any] = {name: [] for name in _MEMBERS}
    for number, _, item in found:
        result[_MEMBERS[number]].append(_describe(call, item))
    return {**result, **more}


def _items(call: Call, number: int, after: str, limit: int) -> Iterable[tuple[str, Entity | Policy]]:
    """Those of one kind behind a name, with the name by which they are ordered."""
    if number < 3:
        kind: Kind = ("user", "group", "role")[number]
        entities = tables.list_entities(call.db, call.account, kind, "/", after, limit)
        return [(entity.name.lower(), entity) for entity in entities]
    if number == 3:
        own = tables.list_policies(call.db, call.account, after, limit)
        return [(policy.name.lower(), policy) for policy in own]
    return [(policy.name, lookup.counted(call, policy)) for policy in managed.every() if policy.name > after]


def _describe(call: Call, item: Entity | Policy) -> dict[str, Any]:
    if isinstance(item, Policy):
        own = managed.find(item.arn)
        versions = [own[1]] if own else tables.versions_of(call.db, item.row)
        described = [
            {"Document": encode(version.document), **policies.describe_version(item, version)} for version in versions
        ]
        result = policies.describe(item, whole=False) | {"PolicyVersionList": described}
        return result | ({} if item.description is None else {"Description": item.description})
    inline = [
        {"PolicyName": name, "PolicyDocument": encode(document)}
        for name, document in tables.inline_policies(call.db, item.row)
    ]
    attached = [
        {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in tables.attached_policies(call.db, item.row)
    ]
    if item.kind == "group":
        return describe_group(item) | {"GroupPolicyList": inline, "AttachedManagedPolicies": attached}
    shared: dict[str, Any] = {"AttachedManagedPolicies": attached, "Tags": write_tags(item.tags)}
    if item.boundary is not None:
        shared["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": item.boundary,
        }
    if item.kind == "user":
        groups = [group.name for group in tables.groups_of(call.db, item.row)]
        own_policies = {"UserPolicyList": inline} if inline else {}
        return users.describe(item, whole=False) | shared | own_policies | {"GroupList": groups}
    profiles = resource_tables.owned(call.db, item.row, "instance-profile")
    role = {name: value for name, value in roles.describe_briefly(call, item).items() if name != "Description"}
    return (
        role
        | shared
        | {
            "RolePolicyList": inline,
            "InstanceProfileList": [instance_profiles.describe(call, profile) for profile in profiles],
            "RoleLastUsed": roles.last_used(call, item),
        }
    )


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise ValidationError(
            "1 validation error detected: Value at 'accountAlias' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"
        )
