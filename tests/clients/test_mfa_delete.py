"""MFA delete as boto3 sees it: the command gives the root its device, whose codes are good once, for S3 and STS together."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask
from awning.services.iam.totp import code_at, step_of
from tests.conftest import LiveRegion

DEVICE = {"account": "000000000000", "name": "root-account-mfa-device"}
SERIAL = "arn:aws:iam::000000000000:mfa/root-account-mfa-device"


class Phone:
    """Shows the next code, and moves the region's clock to where it is right."""

    def __init__(self, region: LiveRegion) -> None:
        self._data = region.data
        self._seed = base64.b32decode(ask(region.data, "iam.root-mfa", action="make", **DEVICE)["secret"])
        self._step = step_of(time.time())
        codes = [code_at(self._seed, self._step - 1), code_at(self._seed, self._step)]
        ask(region.data, "iam.root-mfa", action="enable", codes=codes, **DEVICE)

    def next(self) -> str:
        self._step += 1
        ask(self._data, "clock", seconds=30)
        return code_at(self._seed, self._step)


def refused(operation: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        operation(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_round_by_boto3(own_region: LiveRegion) -> None:
    own_region.start()
    phone = Phone(own_region)
    s3, sts = own_region.client("s3"), own_region.client("sts")
    s3.create_bucket(Bucket="guarded")
    on = {"Bucket": "guarded", "VersioningConfiguration": {"Status": "Enabled", "MFADelete": "Enabled"}}
    needed = ("AccessDenied", "Mfa Authentication must be used for this request")
    assert refused(s3.put_bucket_versioning, **on) == needed
    s3.put_bucket_versioning(**on, MFA=f"{SERIAL} {phone.next()}")
    assert s3.get_bucket_versioning(Bucket="guarded")["MFADelete"] == "Enabled"
    versions = [
        {"Key": key, "VersionId": s3.put_object(Bucket="guarded", Key=key, Body=b"x")["VersionId"]} for key in "abc"
    ]
    assert refused(s3.delete_object, Bucket="guarded", **versions[0]) == needed
    assert refused(s3.delete_objects, Bucket="guarded", Delete={"Objects": versions}) == needed
    code = phone.next()
    s3.delete_object(Bucket="guarded", **versions[0], MFA=f"{SERIAL} {code}")
    assert refused(s3.delete_object, Bucket="guarded", **versions[1], MFA=f"{SERIAL} {code}")[0] == "AccessDenied"
    assert refused(sts.get_session_token, SerialNumber=SERIAL, TokenCode=code)[0] == "AccessDenied"
    code = phone.next()
    key = sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)["Credentials"]
    assert refused(s3.delete_object, Bucket="guarded", **versions[1], MFA=f"{SERIAL} {code}")[0] == "AccessDenied"
    session = own_region.client(
        "s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"], aws_session_token=key["SessionToken"]
    )
    shown = f"{SERIAL} {phone.next()}"
    assert refused(session.delete_object, Bucket="guarded", **versions[1], MFA=shown)[0] == "InvalidRequest"
    done = s3.delete_objects(Bucket="guarded", Delete={"Objects": versions[1:]}, MFA=shown)
    assert [entry["Key"] for entry in done["Deleted"]] == ["b", "c"]
    assert refused(own_region.client("iam").deactivate_mfa_device, SerialNumber=SERIAL)[0] == "ValidationError"
    s3.delete_bucket(Bucket="guarded")
