"""The condition keys of KMS: what a request says, and what its key is; and the tags of a key.

Source: the developer guide's "AWS KMS condition keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.kit.operation import Params
from awning.services.kms import envelope, tables
from awning.services.kms.errors import ValidationException
from awning.services.kms.grant_tokens import read_token
from awning.services.kms.guards import CONSTRAINT, CONTEXT, GRANT, pairs
from awning.services.kms.lookup import Name, look_up, read_name
from awning.services.kms.tables import KeyRow

KEYS: Final = (
    "kms:bypasspolicylockoutsafetycheck",
    "kms:calleraccount",
    "kms:customermasterkeyspec",
    "kms:customermasterkeyusage",
    "kms:datakeypairspec",
    "kms:encryptionalgorithm",
    "kms:encryptioncontextkeys",
    "kms:expirationmodel",
    "kms:grantconstrainttype",
    "kms:granteeprincipal",
    "kms:grantisforawsresource",
    "kms:grantoperations",
    "kms:keyagreementalgorithm",
    "kms:keyorigin",
    "kms:keyspec",
    "kms:keyusage",
    "kms:macalgorithm",
    "kms:messagetype",
    "kms:multiregion",
    "kms:multiregionkeytype",
    "kms:primaryregion",
    "kms:reencryptonsamekey",
    "kms:replicaregion",
    "kms:requestalias",
    "kms:resourcealiases",
    "kms:retiringprincipal",
    "kms:rotationperiodindays",
    "kms:schedulekeydeletionpendingwindowindays",
    "kms:signingalgorithm",
    "kms:validto",
    "kms:viaservice",
    "kms:wrappingalgorithm",
    "kms:wrappingkeyspec",
)

_OF_REQUEST: Final[Mapping[str, str]] = {
    "bypass_policy_lockout_safety_check": "kms:BypassPolicyLockoutSafetyCheck",
    "encryption_algorithm": "kms:EncryptionAlgorithm",
    "signing_algorithm": "kms:SigningAlgorithm",
    "message_type": "kms:MessageType",
    "mac_algorithm": "kms:MacAlgorithm",
    "key_agreement_algorithm": "kms:KeyAgreementAlgorithm",
    "key_pair_spec": "kms:DataKeyPairSpec",
    "rotation_period_in_days": "kms:RotationPeriodInDays",
    "pending_window_in_days": "kms:ScheduleKeyDeletionPendingWindowInDays",
    "wrapping_algorithm": "kms:WrappingAlgorithm",
    "wrapping_key_spec": "kms:WrappingKeySpec",
    "expiration_model": "kms:ExpirationModel",
    "replica_region": "kms:ReplicaRegion",
    "primary_region": "kms:PrimaryRegion",
    "grantee_principal": "kms:GranteePrincipal",
    "retiring_principal": "kms:RetiringPrincipal",
    "operations": "kms:GrantOperations",
}
_ENCRYPTS: Final = frozenset(
    {"plaintext", "ciphertext_blob", "number_of_bytes", "key_spec", "key_pair_spec", "encryption_context"}
)
"""One of these has a request that encrypts or decrypts, by the default algorithm where it says none."""


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """KMS's own condition keys for a call."""
    given = dict(params)
    if not _ENCRYPTS.isdisjoint(params):
        given.setdefault("encryption_algorithm", "SYMMETRIC_DEFAULT")
    if "signing_algorithm" in params:
        given.setdefault("message_type", "RAW")
    found: dict[str, Any] = {
        name: given[parameter] for parameter, name in _OF_REQUEST.items() if given.get(parameter) is not None
    }
    found["kms:CallerAccount"] = call.principal.account
    if params.get("valid_to") is not None:
        found["kms:ValidTo"] = datetime.fromtimestamp(params["valid_to"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found |= context_keys(params.get("encryption_context"))
    if "operations" in params:
        found |= _of_grant(params)
    named = params.get("key_id") or params.get("target_key_id")
    key = _key_of(call, params, named)
    found |= requested_alias(named)
    return found | (of_key(call, key) if key is not None else {})


def new_key(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of CreateKey: what the key is to be."""
    spec = params.get("key_spec") or params.get("customer_master_key_spec") or "SYMMETRIC_DEFAULT"
    usage = params.get("key_usage") or "ENCRYPT_DECRYPT"
    return {
        "kms:CallerAccount": call.principal.account,
        "kms:BypassPolicyLockoutSafetyCheck": bool(params.get("bypass_policy_lockout_safety_check")),
        "kms:KeySpec": spec,
        "kms:CustomerMasterKeySpec": spec,
        "kms:KeyUsage": usage,
        "kms:CustomerMasterKeyUsage": usage,
        "kms:KeyOrigin": params.get("origin") or "AWS_KMS",
        "kms:MultiRegion": bool(params.get("multi_region")),
        **({"kms:MultiRegionKeyType": "PRIMARY"} if params.get("multi_region") else {}),
    }


def of_key(call: Call, key: KeyRow) -> dict[str, Any]:
    """What a key is."""
    return {
        "kms:KeySpec": key.spec,
        "kms:CustomerMasterKeySpec": key.spec,
        "kms:KeyUsage": key.usage,
        "kms:CustomerMasterKeyUsage": key.usage,
        "kms:KeyOrigin": key.origin,
        "kms:MultiRegion": bool(key.multi),
        **({"kms:MultiRegionKeyType": key.multi} if key.multi else {}),
        "kms:ResourceAliases": tables.aliases_of(call.db, key.id) if key.id else [],
    }


def context_keys(context: Mapping[str, str] | None) -> dict[str, Any]:
    """What an encryption context is to conditions, and to grants' constraints."""
    if not context:
        return {}
    found: dict[str, Any] = {"kms:EncryptionContextKeys": list(context), CONTEXT: pairs(context)}
    for name, value in context.items():
        key = f"kms:EncryptionContext:{name.lower()}"
        # Names that differ in case alone are one to conditions, which then has all their values.
        found[key] = value if key not in found else [*([was] if isinstance(was := found[key], str) else was), value]
    return found


def requested_alias(named: str | None) -> dict[str, Any]:
    """By which alias a request names its key, if it does."""
    if named is None or not (named.startswith("alias/") or ":alias/" in named):
        return {}
    return {"kms:RequestAlias": named[named.index("alias/") :]}


def of_reencryption(same_key: bool) -> dict[str, Any]:
    """Whether ReEncrypt's two keys are one."""
    return {"kms:ReEncryptOnSameKey": same_key}


def via(service: str, region: str) -> dict[str, Any]:
    """That a service asks on the caller's behalf."""
    return {"kms:ViaService": f"{service}.{region}.amazonaws.com"}


def retired(call: Call, params: Params) -> tuple[str, str]:
    """What RetireGrant is about: the id of a grant, and what the client calls the key."""
    token = params.get("grant_token")
    grant_id, key_id = params.get("grant_id"), params.get("key_id")
    if token is not None:
        if grant_id is not None:
            raise ValidationException("Either a grant token, or a key and a grant id must be given.")
        return read_token(call, token)
    if grant_id is None or key_id is None:
        raise ValidationException("Either a grant token, or a key and a grant id must be given.")
    return grant_id, key_id


def retiring(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of RetireGrant: which grant it is about."""
    grant_id, key_id = retired(call, params)
    return {**conditions(call, {"key_id": key_id}), GRANT: grant_id}


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The committed tags of a key."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("key/"):
        return {}
    key = tables.find_key(call.db, parts[4], parts[3], parts[5].removeprefix("key/"))
    return {} if key is None else key.tags


def _of_grant(params: Params) -> dict[str, Any]:
    constraints = params.get("constraints") or {}
    kinds = [name for name in ("EncryptionContextEquals", "EncryptionContextSubset") if constraints.get(name)]
    found: dict[str, Any] = {"kms:GrantIsForAWSResource": params.get("grantee_service_principal") is not None}
    if kinds:
        found |= {"kms:GrantConstraintType": kinds[0], CONSTRAINT: pairs(constraints[kinds[0]])}
    return found


def _key_of(call: Call, params: Params, named: str | None) -> KeyRow | None:
    try:
        if named is not None:
            return look_up(call, read_name(call, named))
    except ServiceError:
        return None
    blob = params.get("ciphertext_blob")
    found = envelope.read(blob) if blob else None
    return None if found is None else look_up(call, Name(found.account, call.region, found.key_id, ""))
