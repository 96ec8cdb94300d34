"""Browser forms (POST Object): proves the signature over the policy document, and holds the form's fields to it. Pure.

Sources: "Browser-Based Uploads Using POST (AWS Signature Version 4)" and "POST Policy" of the S3 API reference.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Any, NamedTuple

from awning.auth import sigv2
from awning.auth.claims import ALGORITHM, Claims, Scope, read_stamp
from awning.auth.payload import Mac
from awning.auth.refused import Reason, Refused

_FREE = frozenset({"policy", "x-amz-signature", "signature", "awsaccesskeyid", "file"})
"""Fields that a policy need not name."""


class FormRule(NamedTuple):
    """What a proven form says about the file: its length in bytes, both ends included; `largest` None where it says nothing.

    `fields` are the form's, with lower-case names.
    """

    smallest: int
    largest: int | None
    fields: Mapping[str, str]

    def check_length(self, length: int) -> None:
        """Raise Refused(TOO_SMALL or TOO_LARGE) for a file of another length."""
        facts = {"proposed_size": str(length)}
        if length < self.smallest:
            facts["min_size_allowed"] = str(self.smallest)
            raise Refused(Reason.TOO_SMALL, "Your proposed upload is smaller than the minimum allowed size", facts)
        if self.largest is not None and length > self.largest:
            facts["max_size_allowed"] = str(self.largest)
            raise Refused(Reason.TOO_LARGE, "Your proposed upload exceeds the maximum allowed size", facts)


def form_claims(fields: Mapping[str, str]) -> Claims | None:
    """Return what a form claims, None for an anonymous one (no policy, no signature). Raises Refused where it can't be read.

    `expires` of the claims is None: the policy document says how long a form is good.
    """
    given = _lowered(fields)
    if "x-amz-algorithm" in given or "x-amz-signature" in given or "x-amz-credential" in given:
        return _claims(given)
    if "awsaccesskeyid" in given or "signature" in given:
        _need(given, "awsaccesskeyid", "signature", "policy")
        token = given.get("x-amz-security-token")
        key, signature = given["awsaccesskeyid"], given["signature"]
        return Claims("v2-post", key, "", "", "s3", (), signature, token, 0.0, None, None, b"", None)
    if "policy" in given:
        raise _missing("AWSAccessKeyId")
    return None


def verify_form(found: Claims, fields: Mapping[str, str], secret: str, now: float, *, bucket: str) -> FormRule:
    """Prove a form's signature, and check its fields against its policy.

    fields: all form fields but the file, `key` with ${filename} filled in. now: seconds since the epoch. bucket: the one that
    the form was sent to. Raises Refused: MISMATCH, POLICY_MALFORMED, POLICY_EXPIRED, POLICY_FAILED.
    """
    given = _lowered(fields)
    policy = given.get("policy", "")
    text = policy.encode("utf-8")
    if found.scope is None:
        computed = sigv2.sign(secret, text)
    else:
        computed = _mac(found.scope, secret).sign(text)
    if not compare_digest(computed.encode("ascii"), found.signature.encode("utf-8")):
        facts = {
            "access_key_id": found.access_key_id,
            "signature_provided": found.signature,
            "string_to_sign": policy,
            "string_to_sign_bytes": text.hex(" "),
        }
        raise Refused(Reason.MISMATCH, "", facts)
    document = _read(policy)
    if now >= _expiration(document):
        raise Refused(Reason.POLICY_EXPIRED, "Invalid according to Policy: Policy expired.")
    return _check(document, {**given, "bucket": bucket})


def _lowered(fields: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in fields.items():
        lower = name.lower()
        if lower in given:
            raise Refused(Reason.POST_MALFORMED, f"POST requires exactly one {name} field.")
        given[lower] = value
    return given


def _mac(scope: Scope, secret: str) -> Mac:
    return Mac.for_signing(secret, scope.date, scope.region, scope.service)


def _claims(given: Mapping[str, str]) -> Claims:
    _need(given, "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
    if given["x-amz-algorithm"].encode("utf-8") != ALGORITHM:
        raise Refused(Reason.UNSUPPORTED)
    scope = Scope(given["x-amz-credential"].encode("utf-8"), b"host", Reason.POST_MALFORMED)
    if not scope.is_s3:
        raise Refused(
            Reason.WRONG_SCOPE, f'The credential is scoped to the service "{scope.service}"; a form is for "s3".'
        )
    stamp = given["x-amz-date"].encode("utf-8")
    return Claims(
        "v4-post",
        scope.access_key_id,
        scope.date,
        scope.region,
        scope.service,
        (),
        given["x-amz-signature"],
        given.get("x-amz-security-token"),
        read_stamp(stamp, scope, Reason.POST_MALFORMED),
        None,
        None,
        stamp,
        scope,
    )


def _need(given: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not given.get(name):
            raise _missing(name)


def _missing(name: str) -> Refused:
    return Refused(
        Reason.POST_MALFORMED,
        f"Bucket POST must contain a field named '{name}'. If it is specified, please check the order of the fields.",
        {"argument_name": name},
    )


def _malformed(text: str) -> Refused:
    return Refused(Reason.POLICY_MALFORMED, f"Invalid Policy: {text}")


def _read(policy: str) -> Mapping[str, Any]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _malformed("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _malformed("Invalid JSON: Expecting an object.")
    unknown = document.keys() - {"expiration", "conditions"}
    if unknown:
        raise _malformed(f"Unexpected: '{min(unknown)}'")
    return document


def _expiration(document: Mapping[str, Any]) -> float:
    given = document.get("expiration")
    if given is None:
        raise _malformed("Policy missing expiration.")
    try:
        moment = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise _malformed(f"Invalid 'expiration' value: '{given}'") from None
    if moment.tzinfo is None:
        raise _malformed(f"Invalid 'expiration' value: '{given}'")
    return moment.timestamp()


def _check(document: Mapping[str, Any], given: Mapping[str, str]) -> FormRule:
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _malformed("Policy missing conditions.")
    smallest, largest = 0, None
    named: set[str] = set()
    for condition in conditions:
        operator, name, value = _read_condition(condition)
        if operator == "content-length-range":
            low, high = _read_range(name, value)
            smallest = max(smallest, low)
            largest = high if largest is None else min(largest, high)
            continue
        if not isinstance(name, str) or not isinstance(value, str) or not name.startswith("$"):
            raise _malformed(f"Invalid Condition: {json.dumps(condition)}")
        field = name[1:].lower()
        named.add(field)
        if not _holds(operator, field, given.get(field, ""), value):
            raise Refused(
                Reason.POLICY_FAILED,
                f"Invalid according to Policy: Policy Condition failed: {json.dumps([operator, name, value])}",
            )
    extra = [name for name in given if name not in named and name not in _FREE and not name.startswith("x-ignore-")]
    if extra:
        raise Refused(
            Reason.POLICY_FAILED, f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}"
        )
    return FormRule(smallest, largest, given)


def _read_condition(condition: Any) -> tuple[str, Any, Any]:
    """A condition as operator, what it is about, and value; `{"acl": "private"}` is short for `["eq", "$acl", "private"]`."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _malformed("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
        ((name, value),) = condition.items()
        return "eq", "$" + name, value
    if not isinstance(condition, list) or len(condition) != 3 or not isinstance(condition[0], str):
        raise _malformed(f"Invalid Condition: {json.dumps(condition)}")
    operator = condition[0].lower()
    if operator not in ("eq", "starts-with", "content-length-range"):
        raise _malformed(f"Invalid Condition: unknown operation '{condition[0]}'.")
    return operator, condition[1], condition[2]


def _read_range(low: Any, high: Any) -> tuple[int, int]:
    try:
        found = int(low), int(high)
    except (TypeError, ValueError):
        raise _malformed(f"Invalid content-length-range: {low}, {high}") from None
    if found[0] < 0 or found[1] < found[0]:
        raise _malformed(f"Invalid content-length-range: {low}, {high}")
    return found


def _holds(operator: str, field: str, given: str, wanted: str) -> bool:
    if operator == "eq":
        return given == wanted
    if field == "content-type" and "," in given:
        return all(part.strip().startswith(wanted) for part in given.split(","))
    return given.startswith(wanted)
