"""Virtual MFA devices: a seed that is shown once, and codes that prove who has it.

A device is nobody's until two of its codes in a row enable it for a user; the root's are made and enabled by the command
(root_device.py), as on AWS by signing in only.
"""

from __future__ import annotations

import asyncio
import base64
import io
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from awning.contracts import FindMfaStep, LastDeletionStep, LastSessionStep
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.iam import lookup, resource_tables, tables, users
from awning.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidAuthenticationCode,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from awning.services.iam.names import check_name, check_path, read_tags, write_tags
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import MFA_DEVICES_PER_USER
from awning.services.iam.resource_tables import ROOT, Resource
from awning.services.iam.tagging import tag, tags_page, untag
from awning.services.iam.totp import matching_pair, matching_step, step_of

_SEED_BYTES: Final = 40
_new_arn = lookup.new_arn("mfa", "virtual_mfa_device_name")


def _arn(call: Call, params: Params) -> str:
    value: str = params["serial_number"]
    return value if value.startswith("arn:") else f"arn:aws:iam::{call.account}:mfa/{value}"


@operation(
    Needs("iam:CreateVirtualMFADevice", _new_arn),
    Needs("iam:TagMFADevice", lambda call, params: _new_arn(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
async def create_virtual_mfa_device(
    call: Call, virtual_mfa_device_name: str, path: str = "/", tags: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Create a device that nobody has yet, and show its seed this once, in Base32 and as a QR code for the apps."""
    check_path("mfa", path)
    check_name("mfa", virtual_mfa_device_name, "virtualMFADeviceName")
    _refuse_taken(call, virtual_mfa_device_name)
    read = read_tags(tags, folded=False)
    seed = new_seed(call)
    uri = uri_of(call.account, virtual_mfa_device_name, seed)
    code = await asyncio.get_running_loop().run_in_executor(None, _qr_code, uri)
    arn = await call.commit(_add_new, virtual_mfa_device_name, path, read, seed)
    made: dict[str, Any] = {"SerialNumber": arn, "Base32StringSeed": seed.encode(), "QRCodePNG": code}
    return {"VirtualMFADevice": made | ({"Tags": write_tags(read)} if read else {})}


def new_seed(call: Call) -> str:
    """A device's seed, in Base32."""
    return base64.b32encode(call.random(_SEED_BYTES)).decode()


def uri_of(account: str, name: str, seed: str) -> str:
    """What the apps read a device from."""
    return f"otpauth://totp/{quote(name)}@{account}?secret={seed}"


def _add_new(call: Call, name: str, path: str, tags: dict[str, str], seed: str) -> str:
    _refuse_taken(call, name)
    return add(call, call.account, name, path, tags, seed)


def add(call: Call, account: str, name: str, path: str, tags: dict[str, str], seed: str) -> str:
    """Store a device that is nobody's, its seed (Base32) sealed, and return its ARN."""
    arn = tables.arn_of(account, "mfa", path, name)
    sealed = call.seal.seal(base64.b32decode(seed), arn.encode())
    resource_tables.add(call.db, Resource(0, account, "mfa", name, path, "", call.now, tags, sealed=sealed))
    return arn


def _refuse_taken(call: Call, name: str) -> None:
    if resource_tables.find(call.db, call.account, "mfa", name) is not None:
        raise EntityAlreadyExists("MFA device already exists.")


def _qr_code(uri: str) -> bytes:
    """What the apps read from a screen, as PNG. In a thread: the first takes 60 ms. Trying all masks would take 6 ms more."""
    import segno  # loaded when the first device is made

    png = io.BytesIO()
    segno.make_qr(uri, error="m", boost_error=False, mask=2).save(png, kind="png", scale=4)
    return png.getvalue()


@operation(Needs("iam:DeleteVirtualMFADevice", _arn), context=lookup.conditions)
def delete_virtual_mfa_device(call: Call, serial_number: str) -> None:
    """Delete a device that is nobody's."""
    device = _find(call, serial_number)
    if device.owner is not None:
        raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")
    resource_tables.remove(call.db, device.row)


@operation(
    Needs("iam:ListVirtualMFADevices", lambda call, params: f"arn:aws:iam::{call.account}:mfa/"),
    reads=True,
    honours={"assignment_status": ALL},
)
def list_virtual_mfa_devices(
    call: Call, assignment_status: str = "Any", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the account's devices, those that are somebody's or nobody's, or all."""

    taken = None if assignment_status == "Any" else assignment_status == "Assigned"
    found, more = page(
        marker,
        max_items,
        lambda device: device.name.lower(),
        lambda after, limit: resource_tables.listed(call.db, call.account, "mfa", "/", after, limit, taken),
    )
    return {"VirtualMFADevices": [_describe(call, device) for device in found], **more}


@operation(Needs("iam:EnableMFADevice", lookup.arn("user")), context=lookup.conditions)
def enable_mfa_device(
    call: Call, user_name: str, serial_number: str, authentication_code1: str, authentication_code2: str
) -> None:
    """Give a device to a user, who shows two codes of it in a row."""
    user = lookup.entity(call, "user", user_name)
    device = _find(call, serial_number)
    enable(call, device, user.row, authentication_code1, authentication_code2)


def enable(call: Call, device: Resource, owner: int, first: str, second: str) -> None:
    """Give a device to a user (its row) or the root. Raises EntityAlreadyExists, LimitExceeded, InvalidAuthenticationCode."""
    if device.owner is not None:
        raise EntityAlreadyExists("MFA Device is already in use.")
    if len(devices_of(call, device.account, owner)) >= MFA_DEVICES_PER_USER:
        raise LimitExceeded(f"Cannot exceed quota for MFADevicesPerUser: {MFA_DEVICES_PER_USER}")
    step = _pair(call, device, first, second)
    resource_tables.set_owner(call.db, device.row, owner)
    facts = {"enabled": call.now, "drift": step - step_of(call.now), "last": step}
    resource_tables.set_facts(call.db, device.row, facts)


@operation(Needs("iam:ResyncMFADevice", lookup.arn("user")), context=lookup.conditions)
def resync_mfa_device(
    call: Call, user_name: str, serial_number: str, authentication_code1: str, authentication_code2: str
) -> None:
    """Learn by two codes in a row how far a device's clock is off."""
    device = _of_owner(call, lookup.entity(call, "user", user_name).row, serial_number)
    step = _pair(call, device, authentication_code1, authentication_code2)
    facts = {**device.facts, "drift": step - step_of(call.now), "last": max(step, device.facts["last"])}
    resource_tables.set_facts(call.db, device.row, facts)


@operation(Needs("iam:DeactivateMFADevice", lookup.own_arn), context=lookup.own_conditions)
def deactivate_mfa_device(call: Call, serial_number: str, user_name: str | None = None) -> None:
    """Take a device from its user. The root's stays: whoever has only the root's key must not take its second factor away."""
    owner, _ = lookup.owner(call, user_name)
    if owner == ROOT:
        raise ValidationError("Must specify userName when calling with non-User credentials")
    deactivate(call, _of_owner(call, owner, serial_number))


def deactivate(call: Call, device: Resource) -> None:
    """Make a device nobody's again."""
    resource_tables.set_owner(call.db, device.row, None)
    resource_tables.set_facts(call.db, device.row, {})


@operation(Needs("iam:ListMFADevices", lookup.own_arn), reads=True, context=lookup.own_conditions)
def list_mfa_devices(
    call: Call, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the devices of a user, or of the root that asks."""
    owner, name = lookup.owner(call, user_name)
    devices = devices_of(call, call.account, owner)
    found, more = page_of(devices, marker, max_items, lambda device: device.name.lower())
    described = [
        {"UserName": name, "SerialNumber": device.arn, "EnableDate": device.facts["enabled"]} for device in found
    ]
    return {"MFADevices": described, **more}


@operation(Needs("iam:GetMFADevice", lookup.own_arn), reads=True, context=lookup.own_conditions)
def get_mfa_device(call: Call, serial_number: str, user_name: str | None = None) -> dict[str, Any]:
    """Describe a device of a user, or of the root that asks."""
    owner, name = lookup.owner(call, user_name)
    device = _of_owner(call, owner, serial_number)
    return {"UserName": name, "SerialNumber": device.arn, "EnableDate": device.facts["enabled"]}


@operation(Needs("iam:TagMFADevice", _arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_mfa_device(call: Call, serial_number: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a device, or give them new values."""
    tag(call, _find(call, serial_number), tags)


@operation(Needs("iam:UntagMFADevice", _arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_mfa_device(call: Call, serial_number: str, tag_keys: list[str]) -> None:
    """Remove tags from a device."""
    untag(call, _find(call, serial_number), tag_keys)


@operation(Needs("iam:ListMFADeviceTags", _arn), reads=True, context=lookup.conditions)
def list_mfa_device_tags(
    call: Call, serial_number: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a device's tags by key."""
    return tags_page(_find(call, serial_number), marker, max_items)


def find_mfa_step(call: Call, question: FindMfaStep) -> int | None:
    """For which step a user's code is right; None where it is not, was taken already, or is another's."""
    device = resource_tables.find_by_arn(call.db, question.serial_number)
    if device is None or device.kind != "mfa" or device.owner is None:
        return None
    if device.owner == ROOT:
        owner_id: str | None = device.account
    else:
        user = tables.entity_of_row(call.db, device.owner)
        owner_id = None if user is None else user.id
    if owner_id != question.user_id:
        return None
    step = matching_step(_seed(call, device), question.code, call.now, int(device.facts["drift"]))
    return step if step is not None and step > _last_taken(call, device) else None


def _last_taken(call: Call, device: Resource) -> int:
    """The last step whose code was taken by whichever room; one that does not run took none that counts."""
    taken = [int(device.facts["last"])]
    for question in (LastSessionStep(device.arn), LastDeletionStep(device.arn)):
        with suppress(LookupError):
            taken.append(call.ask(question))
    return max(taken)


def _find(call: Call, serial_number: str) -> Resource:
    found = resource_tables.find_by_arn(call.db, serial_number)
    if found is None or found.kind != "mfa" or found.account != call.account:
        raise NoSuchEntity(f"MFA Device with serial number {serial_number} does not exist.")
    return found


def _of_owner(call: Call, owner: int, serial_number: str) -> Resource:
    device = _find(call, serial_number)
    if device.owner != owner:
        raise NoSuchEntity(f"MFA Device with serial number {serial_number} does not exist.")
    return device


def devices_of(call: Call, account: str, owner: int) -> list[Resource]:
    """The devices of a user (its row), or of this account's root."""
    return [one for one in resource_tables.owned(call.db, owner, "mfa") if one.account == account]


def _pair(call: Call, device: Resource, first: str, second: str) -> int:
    step = matching_pair(_seed(call, device), first, second, call.now)
    if step is None:
        raise InvalidAuthenticationCode("Authentication code for device is not valid.")
    return step


def _seed(call: Call, device: Resource) -> bytes:
    return call.seal.open(device.sealed or b"", device.arn.encode())


def _describe(call: Call, device: Resource) -> dict[str, Any]:
    result: dict[str, Any] = {"SerialNumber": device.arn}
    if device.owner == ROOT:
        root = {"UserId": device.account, "Arn": f"arn:aws:iam::{device.account}:root", "CreateDate": 0.0}
        return result | {"User": root, "EnableDate": device.facts["enabled"]}
    user = tables.entity_of_row(call.db, device.owner) if device.owner is not None else None
    if user is not None:
        result |= {"User": users.describe(user, whole=False), "EnableDate": device.facts["enabled"]}
    return result
