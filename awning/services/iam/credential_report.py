"""The credential report: a line for the root and for each user, saying which credentials it has and when each was last used.

Read in slices, so that no other request waits for it. A report is made anew whenever it is asked for (AWS makes one in four
hours, and gives out that one meanwhile), and is out of date four hours later, as there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from awning.contracts import FindLastUse, LastUse
from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import password_policy, passwords, resource_tables, tables, user_keys
from awning.services.iam.errors import ReportExpired, ReportNotPresent
from awning.services.iam.resource_tables import ROOT, Resource
from awning.services.iam.tables import AccessKey, Entity
from awning.services.iam.turns import next_turn

_REPORT: Final = "credential-report"
_GOOD_FOR: Final = 4 * 3600.0
_SLICE: Final = 50
"""Users read at once: about 2 ms."""
_DAY: Final = 86_400.0
_NONE: Final = "N/A"
_ALWAYS: Final = "not_supported"
_UNUSED: Final = "no_information"
_COLUMNS: Final = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
    "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region",
    "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
)  # fmt: skip


@operation(Needs("iam:GenerateCredentialReport", "*"))
async def generate_credential_report(call: Call) -> dict[str, Any]:
    """Make the account's report. It is there when this returns, whatever the state says: the first that AWS gives is STARTED."""
    before = _stored(call)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_COLUMNS)
    lines.writerow(_root(call))
    after = ""
    while users := tables.list_entities(call.db, call.account, "user", "/", after, _SLICE):
        lines.writerows(_user(call, user) for user in users)
        after = users[-1].name.lower()
        await next_turn()
    # The last line has no line feed behind it.
    await call.commit(_store, text.getvalue().rstrip("\n"))
    if before is None:
        return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}
    return {"State": "COMPLETE" if call.now < before["at"] + _GOOD_FOR else "STARTED"}


@operation(Needs("iam:GetCredentialReport", "*"), reads=True)
def get_credential_report(call: Call) -> dict[str, Any]:
    """Show the report that was made last, unless that is too long ago."""
    stored = _stored(call)
    if stored is None:
        raise ReportNotPresent
    if call.now >= stored["at"] + _GOOD_FOR:
        raise ReportExpired
    return {"Content": stored["text"].encode(), "ReportFormat": "text/csv", "GeneratedTime": stored["at"]}


def _stored(call: Call) -> dict[str, Any] | None:
    found: dict[str, Any] | None = resource_tables.setting(call.db, call.account, _REPORT)
    return found


def _store(call: Call, text: str) -> None:
    resource_tables.set_setting(call.db, call.account, _REPORT, {"at": call.now, "text": text})


def _root(call: Call) -> list[str]:
    """The root has no password here: nobody signs in as the root."""
    arn = f"arn:aws:iam::{call.account}:root"
    start = ["<root_account>", arn, _date(0.0), _ALWAYS, _UNUSED, _ALWAYS, _ALWAYS]
    certificates = [
        one for one in resource_tables.owned(call.db, ROOT, user_keys.CERTIFICATE) if one.account == call.account
    ]
    mfa = _truth(resource_tables.root_has(call.db, call.account, "mfa"))
    return [*start, mfa, *_keys(call, tables.keys_of(call.db, call.account, None)), *_certificates(certificates)]


def _user(call: Call, user: Entity) -> list[str]:
    owned = resource_tables.all_owned(call.db, user.row)
    profile = next((one for one in owned if one.kind == passwords.KIND), None)
    certificates = [one for one in owned if one.kind == user_keys.CERTIFICATE]
    mfa = any(one.kind == "mfa" for one in owned)
    return [
        user.name,
        user.arn,
        _date(user.created),
        *_password(call, profile),
        _truth(mfa),
        *_keys(call, tables.keys_of(call.db, call.account, user.row)),
        *_certificates(certificates),
    ]


def _password(call: Call, profile: Resource | None) -> list[str]:
    """Whether there is one, when it was last used to sign in (never: nobody does here), changed, and is to be changed."""
    if profile is None:
        return ["false", _NONE, _NONE, _NONE]
    changed = float(profile.facts["changed"])
    days = password_policy.found(call).get("MaxPasswordAge")
    return ["true", _UNUSED, _date(changed), _NONE if days is None else _date(changed + days * _DAY)]


def _keys(call: Call, keys: Sequence[AccessKey]) -> list[str]:
    found: list[str] = []
    for key in keys[:2]:
        use: LastUse | None = call.ask(FindLastUse(key.id))
        used = [_NONE] * 3 if use is None else [_date(use.at), use.region, use.service]
        found += [_truth(key.status == "Active"), _date(key.created), *used]
    return found + ["false", _NONE, _NONE, _NONE, _NONE] * (2 - len(keys[:2]))


def _certificates(certificates: Sequence[Resource]) -> list[str]:
    found: list[str] = []
    for one in sorted(certificates, key=lambda one: (one.created, one.name))[:2]:
        found += [_truth(one.facts["status"] == "Active"), _date(one.facts["changed"])]
    return found + ["false", _NONE] * (2 - len(found) // 2)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _date(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()
