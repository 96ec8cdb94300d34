"""Key policies: the default one, what one may say, and GetKeyPolicy, PutKeyPolicy, ListKeyPolicies.

Source: the developer guide's "Key policies in AWS KMS" and the API reference of PutKeyPolicy.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from awning.auth.evaluate import decide
from awning.auth.named import principals_in
from awning.auth.policy import MalformedPolicy
from awning.contracts import PrincipalExists
from awning.kit.call import Call
from awning.kit.named import as_it_stands, ids_of
from awning.kit.operation import Needs, operation
from awning.services.kms import tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import MalformedPolicyDocumentException, NotFoundException
from awning.services.kms.guards import compiled
from awning.services.kms.lookup import arn_of_key, find_own, find_to_change
from awning.services.kms.material import forget_later
from awning.services.kms.tables import KeyRow

NAME: Final = "default"
_LARGEST: Final = 32_768


def default_policy(account: str) -> str:
    """The policy of a key that was created without one."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        },
        indent=2,
    )


def with_policy(call: Call, key: KeyRow, policy: str, *, bypass: bool) -> KeyRow:
    """A key with another policy, once that has been checked. Raises MalformedPolicyDocumentException.

    bypass: whether the caller may lock itself out of changing the policy again.
    """
    if len(policy) > _LARGEST:
        raise MalformedPolicyDocumentException(f"A key policy has at most {_LARGEST} characters.")
    changed = key._replace(policy=policy, policy_ids={})
    try:
        compiled(changed)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from None
    _check_principals(call, policy)
    changed = changed._replace(policy_ids=ids_of(call.ask, orjson.loads(policy)))
    if not bypass:
        _check_lockout(call, changed)
    return changed


def _check_lockout(call: Call, key: KeyRow) -> None:
    context = {
        "aws:principalarn": call.principal.arn,
        "aws:principalaccount": call.principal.account,
        "aws:userid": call.principal.user_id,
        "kms:calleraccount": call.principal.account,
    }
    decision = decide(
        call.principal,
        "kms:PutKeyPolicy",
        key.arn,
        context,
        guard_policy=compiled(key),
        resource_account=key.account,
    )
    if not decision.allowed:
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future."
        )


def _check_principals(call: Call, policy: str) -> None:
    for name in principals_in(orjson.loads(policy)):
        if name == "*" or not name.startswith("arn:"):
            continue
        kind = name.rpartition(":")[2].partition("/")[0]
        if kind in ("user", "role") and not call.ask(PrincipalExists(name)):
            raise MalformedPolicyDocumentException("Policy contains a statement with one or more invalid principals.")


def _check_name(name: str | None) -> None:
    if name not in (None, NAME):
        raise NotFoundException("No such policy exists")


@operation(Needs("kms:GetKeyPolicy", arn_of_key()), reads=True, context=conditions)
def get_key_policy(call: Call, key_id: str, policy_name: str | None = None) -> dict[str, Any]:
    """Return a key's policy; principals that are gone show as their unique ids."""
    key = find_own(call, key_id)
    _check_name(policy_name)
    return {"Policy": as_it_stands(call.ask, key.policy, key.policy_ids), "PolicyName": NAME}


@operation(Needs("kms:PutKeyPolicy", arn_of_key()), context=conditions)
def put_key_policy(
    call: Call,
    key_id: str,
    policy: str,
    policy_name: str | None = None,
    bypass_policy_lockout_safety_check: bool = False,
) -> None:
    """Give a key another policy; it is in force with the reply."""
    key = find_to_change(call, key_id)
    _check_name(policy_name)
    changed = with_policy(call, key, policy, bypass=bypass_policy_lockout_safety_check)
    tables.update_key(call.db, key.id, policy=changed.policy, policy_ids=changed.policy_ids)
    forget_later(call, key)


@operation(Needs("kms:ListKeyPolicies", arn_of_key()), reads=True, context=conditions)
def list_key_policies(call: Call, key_id: str, limit: int | None = None, marker: str | None = None) -> dict[str, Any]:
    """Return the names of a key's policies: there is always one, `default`."""
    find_own(call, key_id)
    return {"PolicyNames": [NAME], "Truncated": False}
