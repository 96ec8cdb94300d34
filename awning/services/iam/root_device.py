"""The MFA devices of an account's root: made, enabled and removed by the command, for whoever owns the data folder.

AWS has no API for it (IAM user guide, "Enable a virtual MFA device for the root user"): one signs in as the root for it.
"""

from __future__ import annotations

import re
from typing import Any

from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.services.iam import mfa, resource_tables
from awning.services.iam.names import check_name
from awning.services.iam.resource_tables import ROOT, Resource


def control(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Do what `given["action"]` says to the device `given["name"]` of the root of `given["account"]`.

    Raises ValueError for what the user can mend.
    """
    account, name = str(given.get("account")), str(given.get("name"))
    if not re.fullmatch(r"[0-9]{12}", account):
        raise ValueError(f"{account} is no account: an account has 12 digits.")
    action = {"make": _make, "enable": _enable, "remove": _remove}.get(str(given.get("action")))
    if action is None:
        raise ValueError(f"There is no action {given.get('action')}.")
    try:
        check_name("mfa", name, "virtualMFADeviceName")
        return action(call, account, name, given)
    except ServiceError as error:
        raise ValueError(error.message) from error


def _make(call: Call, account: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Make a device and show its seed; one of this name that nobody has makes room."""
    found = resource_tables.find(call.db, account, "mfa", name)
    if found is not None and found.owner is not None:
        raise ValueError(f"{found.arn} is in use.")
    if found is not None:
        resource_tables.remove(call.db, found.row)
    seed = mfa.new_seed(call)
    serial = mfa.add(call, account, name, "/", {}, seed)
    return {"serial": serial, "secret": seed, "uri": mfa.uri_of(account, name, seed)}


def _enable(call: Call, account: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    first, second = given.get("codes") or ("", "")
    device = _find(call, account, name)
    mfa.enable(call, device, ROOT, str(first), str(second))
    return {"serial": device.arn}


def _remove(call: Call, account: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Take a device away, enabled or not; not one that a user has."""
    device = _find(call, account, name)
    if device.owner not in (None, ROOT):
        raise ValueError(f"{device.arn} is a user's: iam:DeactivateMFADevice takes it away.")
    resource_tables.remove(call.db, device.row)
    return {"serial": device.arn}


def _find(call: Call, account: str, name: str) -> Resource:
    found = resource_tables.find(call.db, account, "mfa", name)
    if found is None:
        raise ValueError(f"There is no device {name} in {account}: `awning iam mfa make` makes it.")
    return found
