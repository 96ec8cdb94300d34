"""The access point that examples name: made once for each request, of a bucket that no permission names."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "000000000000"


def bucket(things: Any) -> str:
    """The name of a bucket that counts as none of the things that permissions name."""
    name = str(things.bucket)
    things.names.remove(name)
    return name


def point(things: Any) -> str:
    """The name of an access point with a policy."""
    account = {"AccountId": ACCOUNT, "Name": things.name("point")}
    control = things.client("s3control")
    arn = control.create_access_point(**account, Bucket=bucket(things))["AccessPointArn"]
    rule = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": {"AWS": ACCOUNT}, "Resource": f"{arn}/object/*"}
    control.put_access_point_policy(**account, Policy=json.dumps({"Version": "2012-10-17", "Statement": rule}))
    return account["Name"]


def without_account(request: Any, **_: Any) -> None:
    """Take the account off a host's name, which does not resolve with it."""
    request.url = request.url.replace(f"//{ACCOUNT}.", "//", 1)
