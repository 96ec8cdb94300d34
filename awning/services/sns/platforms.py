"""Mobile push: platform applications and their endpoints. The messages themselves go into the log (outgoing.py).

Credentials are kept sealed and shown to nobody; no push service is asked whether they are good.
Source: the API reference of each action, and the developer guide's "Mobile push notifications".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sns import outgoing, tables
from awning.services.sns.errors import (
    EndpointDisabledException,
    NotFoundException,
    PlatformApplicationDisabledException,
    invalid,
)
from awning.services.sns.names import PAGE, read_token, write_token

PLATFORMS: Final = frozenset(
    {
        "ADM",
        "APNS",
        "APNS_SANDBOX",
        "APNS_VOIP",
        "APNS_VOIP_SANDBOX",
        "BAIDU",
        "GCM",
        "MACOS",
        "MACOS_SANDBOX",
        "MPNS",
        "WNS",
    }
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}")
_SECRET = frozenset({"PlatformCredential", "PlatformPrincipal"})
_SHOWN = frozenset({"Enabled", "ApplePlatformTeamID", "ApplePlatformBundleID"})
_AWAITED = re.compile(r"Event\w+|(?:Success|Failure)FeedbackRoleArn|SuccessFeedbackSampleRate")
_OF_ENDPOINTS = frozenset({"CustomUserData", "Enabled", "Token"})
_USER_DATA = 2048


def _application(call: Call, params: Params) -> str:
    return _check_arn(params["platform_application_arn"], "PlatformApplicationArn")


def _endpoint(call: Call, params: Params) -> str:
    return _check_arn(params["endpoint_arn"], "EndpointArn")


def _new_application(call: Call, params: Params) -> str:
    return f"arn:aws:sns:{call.region}:{call.account}:app/{params['platform']}/{params['name']}"


def _everything(call: Call, params: Params) -> str:
    return f"arn:aws:sns:{call.region}:{call.account}:*"


@operation(Needs("sns:CreatePlatformApplication", _new_application), honours={"attributes": ALL})
def create_platform_application(call: Call, name: str, platform: str, attributes: dict[str, str]) -> dict[str, Any]:
    """Register an application with a push service. One that is there is returned, its attributes as given now."""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"{name} Reason: must be 1 to 256 characters long and contain only characters 'a'-'z', 'A'-'Z', '0'-'9', "
            "'_', '-', and '.'"
        )
    if platform not in PLATFORMS:
        raise invalid(f"Platform Reason: {platform} is not supported")
    if "PlatformCredential" not in attributes:
        raise invalid("Attributes Reason: PlatformCredential attribute is required")
    if platform not in ("GCM", "MPNS") and "PlatformPrincipal" not in attributes:
        raise invalid("Attributes Reason: PlatformCredential attribute provided without PlatformPrincipal")
    arn = _new_application(call, {"platform": platform, "name": name})
    shown, secret = _read(attributes)
    known = tables.find_application(call.db, arn)
    if known is None:
        sealed = _seal(call, arn, secret)
        tables.insert_application(call.db, arn, call.account, call.region, {"Enabled": "true", **shown}, sealed)
    else:
        _change(call, known, shown, secret)
    return {"PlatformApplicationArn": arn}


@operation(Needs("sns:SetPlatformApplicationAttributes", _application), honours={"attributes": ALL})
def set_platform_application_attributes(call: Call, platform_application_arn: str, attributes: dict[str, str]) -> None:
    """Change an application's attributes."""
    known = _find_application(call, platform_application_arn)
    _change(call, known, *_read(attributes))


@operation(Needs("sns:GetPlatformApplicationAttributes", _application), reads=True)
def get_platform_application_attributes(call: Call, platform_application_arn: str) -> dict[str, Any]:
    """Return an application's attributes, without its credentials."""
    return {"Attributes": _find_application(call, platform_application_arn).attributes}


@operation(Needs("sns:ListPlatformApplications", _everything), reads=True)
def list_platform_applications(call: Call, next_token: str | None = None) -> dict[str, Any]:
    """List the account's applications in the region, a hundred at a time."""
    rows = tables.list_applications(call.db, call.account, call.region, read_token(next_token), PAGE + 1)
    shown = [{"PlatformApplicationArn": row.arn, "Attributes": row.attributes} for row in rows[:PAGE]]
    return _page("PlatformApplications", shown, rows)


@operation(Needs("sns:DeletePlatformApplication", _application))
def delete_platform_application(call: Call, platform_application_arn: str) -> None:
    """Delete an application and its endpoints; one that is not there is deleted already."""
    known = tables.find_application(call.db, platform_application_arn)
    if known is not None:
        tables.delete_application(call.db, known.id)


@operation(Needs("sns:CreatePlatformEndpoint", _application), honours={"attributes": ALL})
def create_platform_endpoint(
    call: Call,
    platform_application_arn: str,
    token: str,
    custom_user_data: str | None = None,
    attributes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Register a device with an application. One of the same token and attributes is returned."""
    application = _find_application(call, platform_application_arn)
    given = dict(attributes or {})
    if custom_user_data is not None:
        given.setdefault("CustomUserData", custom_user_data)
    if not token:
        raise invalid("Token Reason: cannot be empty")
    wanted = {"Enabled": "true", **_check_endpoint(given), "Token": token}
    known = tables.endpoint_of(call.db, application.id, token)
    if known is not None:
        if known.attributes != wanted:
            raise invalid(
                f"Token Reason: Endpoint {known.arn} already exists with the same Token, but different attributes."
            )
        return {"EndpointArn": known.arn}
    arn = f"{platform_application_arn.replace(':app/', ':endpoint/')}/{call.new_id()}"
    tables.insert_endpoint(call.db, arn, application.id, token, wanted)
    return {"EndpointArn": arn}


@operation(Needs("sns:SetEndpointAttributes", _endpoint), honours={"attributes": ALL})
def set_endpoint_attributes(call: Call, endpoint_arn: str, attributes: dict[str, str]) -> None:
    """Change an endpoint's attributes."""
    known = _find_endpoint(call, endpoint_arn)
    after = {**known.attributes, **_check_endpoint(attributes)}
    other = tables.endpoint_of(call.db, known.application, after["Token"])
    if other is not None and other.id != known.id:
        raise invalid(f"Token Reason: Endpoint {other.arn} already exists with the same Token.")
    tables.update_endpoint(call.db, known.id, after["Token"], after)


@operation(Needs("sns:GetEndpointAttributes", _endpoint), reads=True)
def get_endpoint_attributes(call: Call, endpoint_arn: str) -> dict[str, Any]:
    """Return an endpoint's attributes."""
    return {"Attributes": _find_endpoint(call, endpoint_arn).attributes}


@operation(Needs("sns:ListEndpointsByPlatformApplication", _application), reads=True)
def list_endpoints_by_platform_application(
    call: Call, platform_application_arn: str, next_token: str | None = None
) -> dict[str, Any]:
    """List an application's endpoints, a hundred at a time."""
    application = _find_application(call, platform_application_arn)
    rows = tables.list_endpoints(call.db, application.id, read_token(next_token), PAGE + 1)
    return _page("Endpoints", [{"EndpointArn": row.arn, "Attributes": row.attributes} for row in rows[:PAGE]], rows)


@operation(Needs("sns:DeleteEndpoint", _endpoint))
def delete_endpoint(call: Call, endpoint_arn: str) -> None:
    """Delete an endpoint; one that is not there is deleted already. Its subscriptions stay, and get nothing."""
    known = tables.find_endpoint(call.db, endpoint_arn)
    if known is not None:
        tables.delete_endpoint(call.db, known.id)


def push(call: Call, arn: str, bodies: Mapping[str, str], body: str, message: str, topic: str = "") -> None:
    """Write a message for an endpoint into the log, as its platform would get it.

    Raises InvalidParameterException, EndpointDisabledException, PlatformApplicationDisabledException.
    """
    known = tables.find_endpoint(call.db, arn)
    if known is None:
        raise invalid("TargetArn Reason: No endpoint found for the target arn specified")
    if known.attributes["Enabled"] != "true":
        raise EndpointDisabledException("Endpoint is disabled")
    if tables.application_attributes(call.db, known.application)["Enabled"] != "true":
        raise PlatformApplicationDisabledException("Platform application is disabled")
    platform = arn.split("/")[1]
    about = f"{platform} {known.attributes['Token']}"
    outgoing.keep(call, "push", arn, bodies.get(platform, body), topic=topic, message=message, about=about)


def _read(attributes: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is shown of an application's attributes, and what is sealed."""
    if not attributes:
        raise invalid("Attributes Reason: no value for required parameter")
    for name, value in attributes.items():
        if name not in _SECRET | _SHOWN:
            if _AWAITED.fullmatch(name):
                if value:
                    raise NotImplementedHere(f"The attribute {name} of platform applications is not implemented.")
                continue
            raise invalid(f"Attributes Reason: Invalid attribute name: {name}")
        if name == "Enabled" and value not in ("true", "false"):
            raise invalid("Attributes Reason: Invalid value for attribute: Enabled")
    shown = {name: value for name, value in attributes.items() if name in _SHOWN}
    return shown, {name: value for name, value in attributes.items() if name in _SECRET}


def _seal(call: Call, arn: str, secret: Mapping[str, str]) -> bytes:
    return call.seal.seal(orjson.dumps(dict(secret)), arn.encode())


def _change(call: Call, known: tables.ApplicationRow, shown: Mapping[str, str], secret: Mapping[str, str]) -> None:
    before = orjson.loads(call.seal.open(known.credentials, known.arn.encode()))
    sealed = _seal(call, known.arn, {**before, **secret})
    tables.update_application(call.db, known.id, {**known.attributes, **shown}, sealed)


def _check_endpoint(attributes: Mapping[str, str]) -> dict[str, str]:
    for name, value in attributes.items():
        if name not in _OF_ENDPOINTS:
            raise invalid(f"Attributes Reason: Invalid attribute name: {name}")
        if name == "CustomUserData" and len(value.encode()) > _USER_DATA:
            raise invalid(
                "Attributes Reason: Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 "
                "encoding"
            )
        if name == "Enabled" and value.lower() not in ("true", "false"):
            raise invalid("Attributes Reason: Invalid value for attribute: Enabled")
    return {name: value.lower() if name == "Enabled" else value for name, value in attributes.items()}


def _check_arn(arn: str, parameter: str) -> str:
    if arn.count(":") < 5 or not arn.startswith("arn:"):
        raise invalid(f"{parameter} Reason: An ARN must have at least 6 elements, not {arn.count(':') + 1}")
    return arn


def _find_application(call: Call, arn: str) -> tables.ApplicationRow:
    known = tables.find_application(call.db, arn)
    if known is None:
        raise NotFoundException("PlatformApplication does not exist")
    return known


def _find_endpoint(call: Call, arn: str) -> tables.EndpointRow:
    known = tables.find_endpoint(call.db, arn)
    if known is None:
        raise NotFoundException("Endpoint does not exist")
    return known


def _page(name: str, shown: list[dict[str, Any]], rows: Any) -> dict[str, Any]:
    result: dict[str, Any] = {name: shown}
    if len(rows) > PAGE:
        result["NextToken"] = write_token(rows[PAGE - 1].id)
    return result
