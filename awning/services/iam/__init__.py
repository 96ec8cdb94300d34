"""IAM: users, groups, roles, policies and access keys of every account. Changes here decide what all others may do."""

from __future__ import annotations

from awning.contracts import (
    FindCredential,
    FindMfaStep,
    FindOidcProvider,
    FindPolicyText,
    FindPrincipalIds,
    FindRole,
    FindSamlProvider,
    FindUser,
    PrincipalExists,
)
from awning.kit.compiled import Compiled
from awning.kit.service import Service
from awning.services.iam import (
    account,
    attached,
    boundaries,
    groups,
    inline,
    instance_profiles,
    keys,
    lookup,
    mfa,
    offers,
    oidc_providers,
    password_policy,
    policies,
    roles,
    saml_providers,
    simulation,
    tables,
    tags,
    users,
)

SERVICE = Service(
    name="iam",
    model="iam",
    protocols=("query",),
    modules=(
        users,
        keys,
        groups,
        roles,
        policies,
        attached,
        inline,
        boundaries,
        tags,
        instance_profiles,
        account,
        simulation,
        mfa,
        password_policy,
        oidc_providers,
        saml_providers,
    ),
    schema=tables.SCHEMA,
    guard=lookup.guard,
    tags=lookup.tags_of,
    condition_keys=("iam:passedtoservice", "iam:permissionsboundary", "iam:policyarn", "iam:resourcetag/"),
    memory=lambda db: Compiled(),
    answers={
        FindCredential: offers.find_credential,
        FindUser: offers.find_user,
        FindRole: offers.find_role,
        FindMfaStep: mfa.find_mfa_step,
        FindOidcProvider: oidc_providers.find_oidc_provider,
        FindSamlProvider: saml_providers.find_saml_provider,
        FindPrincipalIds: offers.find_principal_ids,
        PrincipalExists: offers.principal_exists,
        FindPolicyText: offers.find_policy_text,
    },
    global_=True,
)
