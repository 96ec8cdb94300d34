"""Text messages: settings, numbers, the sandbox. The messages themselves go into the log (outgoing.py).

No text leaves the region, so nobody can answer STOP: no number is ever opted out, and any number may be written to.
Source: the API reference of each action, and the developer guide's "Mobile text messaging with Amazon SNS".
"""

from __future__ import annotations

import re
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import ALL, Needs, operation
from awning.services.sns import outgoing, tables
from awning.services.sns.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    UserErrorException,
    VerificationException,
    invalid,
)
from awning.services.sns.names import read_token, write_token

_E164 = re.compile(r"\+?[1-9]\d{1,14}")
_WRITTEN = re.compile(r"\+?\d(?:[-./ ]?\d)*")
_MARKS = re.compile(r"[-./ ]")
_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}")
_TYPES = frozenset({"Promotional", "Transactional"})
_SETTINGS: Final = frozenset(
    {
        "MonthlySpendLimit",
        "DeliveryStatusIAMRole",
        "DeliveryStatusSuccessSamplingRate",
        "DefaultSenderID",
        "DefaultSMSType",
        "UsageReportS3Bucket",
    }
)
_AWAITED = frozenset({"DeliveryStatusIAMRole", "DeliveryStatusSuccessSamplingRate", "UsageReportS3Bucket"})
_SANDBOX_MOST = 10
_PAGE = 100


def is_written_number(text: str) -> bool:
    """Whether a person may have written a telephone number so: single marks may part its digits."""
    return _WRITTEN.fullmatch(text) is not None and is_number(_MARKS.sub("", text))


def is_number(number: str) -> bool:
    """Whether this is a telephone number in E.164 format."""
    return _E164.fullmatch(number) is not None


@operation(Needs("sns:SetSMSAttributes", "*"), honours={"attributes": ALL})
def set_sms_attributes(call: Call, attributes: dict[str, str]) -> None:
    """Set how this account sends text messages."""
    for name, value in attributes.items():
        if name not in _SETTINGS:
            raise InvalidParameterException(f"{name} is not a valid attribute")
        if name in _AWAITED and value:
            raise NotImplementedHere(f"The SMS attribute {name} is not implemented: no text message is sent.")
        if name == "DefaultSMSType" and value not in _TYPES:
            raise InvalidParameterException("DefaultSMSType is invalid")
        if name == "DefaultSenderID" and value and not _SENDER.fullmatch(value):
            raise InvalidParameterException("DefaultSenderID is not a valid attribute")
        if name == "MonthlySpendLimit" and not (value.isascii() and value.isdigit()):
            raise InvalidParameterException("MonthlySpendLimit is invalid")
    kept = {**tables.phone_settings(call.db, call.account, call.region), **attributes}
    tables.keep_phone_settings(call.db, call.account, call.region, kept)


@operation(Needs("sns:GetSMSAttributes", "*"), reads=True)
def get_sms_attributes(call: Call, attributes: list[str] | None = None) -> dict[str, Any]:
    """Return how this account sends text messages: all settings, or the named ones."""
    kept = {"MonthlySpendLimit": "1", **tables.phone_settings(call.db, call.account, call.region)}
    return {"attributes": {name: value for name, value in kept.items() if not attributes or name in attributes}}


@operation(Needs("sns:CheckIfPhoneNumberIsOptedOut", "*"), reads=True)
def check_if_phone_number_is_opted_out(call: Call, phone_number: str) -> dict[str, Any]:
    """Say whether a number takes no more messages: none has a way to say so."""
    _check(phone_number)
    return {"isOptedOut": False}


@operation(Needs("sns:ListPhoneNumbersOptedOut", "*"), reads=True)
def list_phone_numbers_opted_out(call: Call, next_token: str | None = None) -> dict[str, Any]:
    """List the numbers that take no more messages: none has a way to say so."""
    read_token(next_token)
    return {"phoneNumbers": []}


@operation(Needs("sns:OptInPhoneNumber", "*"), reads=True)
def opt_in_phone_number(call: Call, phone_number: str) -> None:
    """Write to a number again; one that was not opted out stays as it is."""
    _check(phone_number)


@operation(Needs("sns:ListOriginationNumbers", "*"), reads=True)
def list_origination_numbers(
    call: Call, next_token: str | None = None, max_results: int | None = None
) -> dict[str, Any]:
    """List the account's own numbers: numbers are bought elsewhere, so there are none."""
    read_token(next_token)
    return {"PhoneNumbers": []}


@operation(Needs("sns:GetSMSSandboxAccountStatus", "*"), reads=True)
def get_sms_sandbox_account_status(call: Call) -> dict[str, Any]:
    """Say whether only verified numbers may be written to: never here."""
    return {"IsInSandbox": False}


@operation(Needs("sns:CreateSMSSandboxPhoneNumber", "*"), honours={"language_code": ALL})
def create_sms_sandbox_phone_number(call: Call, phone_number: str, language_code: str | None = None) -> None:
    """Add a number to be verified; its one-time password goes into the log."""
    _check(phone_number)
    known = tables.sandbox_number(call.db, call.account, call.region, phone_number)
    if known is not None and known.status == "Verified":
        raise UserErrorException("The phone number is verified already.")
    if known is None and tables.count_sandbox(call.db, call.account, call.region) >= _SANDBOX_MOST:
        raise UserErrorException(f"The sandbox has at most {_SANDBOX_MOST} phone numbers.")
    password = f"{int.from_bytes(call.random(4), 'big') % 1_000_000:06}"
    tables.keep_sandbox(call.db, call.account, call.region, phone_number, password, "Pending")
    outgoing.keep(call, "sms", phone_number, f"Your verification code is: {password}", about=language_code or "en-US")


@operation(Needs("sns:VerifySMSSandboxPhoneNumber", "*"))
def verify_sms_sandbox_phone_number(call: Call, phone_number: str, one_time_password: str) -> None:
    """Verify a number by its one-time password."""
    known = tables.sandbox_number(call.db, call.account, call.region, phone_number)
    if known is None:
        raise ResourceNotFoundException("The phone number is not in the sandbox.")
    if known.password != one_time_password:
        raise VerificationException("The one-time password is not the one that was sent.")
    tables.keep_sandbox(call.db, call.account, call.region, phone_number, known.password, "Verified")


@operation(Needs("sns:DeleteSMSSandboxPhoneNumber", "*"))
def delete_sms_sandbox_phone_number(call: Call, phone_number: str) -> None:
    """Remove a number from the sandbox."""
    if not tables.delete_sandbox(call.db, call.account, call.region, phone_number):
        raise ResourceNotFoundException("The phone number is not in the sandbox.")


@operation(Needs("sns:ListSMSSandboxPhoneNumbers", "*"), reads=True)
def list_sms_sandbox_phone_numbers(
    call: Call, next_token: str | None = None, max_results: int | None = None
) -> dict[str, Any]:
    """List the sandbox's numbers, with what is known of them."""
    size = max_results or _PAGE
    rows = tables.list_sandbox(call.db, call.account, call.region, read_token(next_token), size + 1)
    result: dict[str, Any] = {
        "PhoneNumbers": [{"PhoneNumber": row.number, "Status": row.status} for row in rows[:size]]
    }
    if len(rows) > size:
        result["NextToken"] = write_token(rows[size - 1].id)
    return result


def _check(number: str) -> None:
    if not is_number(number):
        raise invalid(f"PhoneNumber Reason: {number} is not valid")
