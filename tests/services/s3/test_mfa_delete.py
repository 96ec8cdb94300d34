"""MFA delete, rule by rule. S3 user guide, "Configuring MFA delete"; API reference, DeleteObjects; the errors of requests
without a code, by others than the root, and beside a lifecycle are as recorded from S3."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from awning.auth.principal import Principal, root_of
from awning.contracts import LastDeletionStep
from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.services.s3 import errors
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
THEIRS = f"arn:aws:iam::{OTHER}:mfa/root-account-mfa-device"
ON = {"Status": "Enabled", "MFADelete": "Enabled"}
NEEDED = "Mfa Authentication must be used for this request"
OWNER = "This operation may only be performed by the bucket owner"
WRONG = "The Mfa token code is invalid, or was used already."
RULES = {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}


class Device:
    """The root's device; each code is right once."""

    def __init__(self, s3: S3) -> None:
        self._codes = s3.neighbours.codes
        self._step = 1000

    def shows(self, account: str = ACCOUNT, serial: str = SERIAL) -> str:
        self._step += 1
        code = f"{self._step:06}"
        self._codes[account, serial, code] = self._step
        return f"{serial} {code}"


@pytest.fixture
def device(s3: S3) -> Device:
    return Device(s3)


@pytest.fixture
def guarded(s3: S3, device: Device) -> S3:
    """A room whose `box` has MFA delete."""
    s3.put_bucket_versioning(bucket="box", versioning_configuration=ON, mfa=device.shows())
    return s3


def put(s3: S3, key: str = "k") -> str:
    version: str = s3.put_object(bucket="box", key=key, body=b"x")["VersionId"]
    return version


def refused(error: type[ServiceError], operation: Any, **params: Any) -> str:
    with pytest.raises(error) as caught:
        operation(**params)
    assert type(caught.value) is error
    return caught.value.message


def left(s3: S3) -> int:
    page = s3.list_object_versions(bucket="box")
    return len(page["Versions"]) + len(page["DeleteMarkers"])


def session(s3: S3) -> Call:
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    return s3.call(principal=Principal("root", ACCOUNT, arn, arn, ACCOUNT, issued=1.0))


def test_it_is_turned_on_and_off_with_a_code_only(s3: S3, device: Device) -> None:
    turn = s3.put_bucket_versioning
    assert refused(errors.AccessDenied, turn, bucket="box", versioning_configuration=ON) == NEEDED
    assert s3.get_bucket_versioning(bucket="box") == {}
    turn(bucket="box", versioning_configuration=ON, mfa=device.shows())
    assert s3.get_bucket_versioning(bucket="box") == {"Status": "Enabled", "MFADelete": "Enabled"}
    for configuration in (ON, {"Status": "Suspended"}, {"Status": "Enabled", "MFADelete": "Disabled"}):
        assert refused(errors.AccessDenied, turn, bucket="box", versioning_configuration=configuration) == NEEDED
    turn(bucket="box", versioning_configuration={"Status": "Suspended"}, mfa=device.shows())
    assert s3.get_bucket_versioning(bucket="box") == {"Status": "Suspended", "MFADelete": "Enabled"}
    off = {"Status": "Enabled", "MFADelete": "Disabled"}
    turn(bucket="box", versioning_configuration=off, mfa=device.shows())
    turn(bucket="box", versioning_configuration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(bucket="box") == off
    s3.delete_object(bucket="box", key="k", version_id=put(s3))
    assert left(s3) == 0


def test_off_needs_no_code_where_it_never_was_on(s3: S3) -> None:
    off = {"Status": "Enabled", "MFADelete": "Disabled"}
    s3.put_bucket_versioning(bucket="box", versioning_configuration=off)
    assert s3.get_bucket_versioning(bucket="box") == off
    for bad in ({"Status": "Enabled", "MFADelete": "On"}, {"Status": "On", "MFADelete": "Disabled"}):
        refused(errors.MalformedXML, s3.put_bucket_versioning, bucket="box", versioning_configuration=bad)
    only = {"MFADelete": "Enabled"}
    wrong = errors.IllegalVersioningConfigurationException
    refused(wrong, s3.put_bucket_versioning, bucket="box", versioning_configuration=only)


def test_versions_and_markers_go_with_a_code_only(guarded: S3, device: Device) -> None:
    version = put(guarded)
    marker = guarded.delete_object(bucket="box", key="k")["VersionId"]
    for one in (version, marker):
        wanted = {"bucket": "box", "key": "k", "version_id": one}
        assert refused(errors.AccessDenied, guarded.delete_object, **wanted) == NEEDED
        assert (
            refused(errors.AccessDenied, guarded.delete_object, as_=guarded.call(principal=user()), **wanted) == NEEDED
        )
        code = device.shows()
        guarded.delete_object(**wanted, mfa=code)
        assert refused(errors.AccessDenied, guarded.delete_object, **wanted, mfa=code) == WRONG
    assert left(guarded) == 0
    guarded.delete_bucket(bucket="box")


def test_a_code_is_taken_once_and_none_before_it_any_more(guarded: S3, device: Device) -> None:
    first, second = put(guarded), put(guarded)
    early, late = device.shows(), device.shows()
    guarded.delete_object(bucket="box", key="k", version_id=first, mfa=late)
    assert guarded.room.service.answers[LastDeletionStep](guarded.call(), LastDeletionStep(SERIAL)) == 1003
    wanted = {"bucket": "box", "key": "k", "version_id": second}
    for code in (early, late):
        assert refused(errors.AccessDenied, guarded.delete_object, **wanted, mfa=code) == WRONG
    suspend = {"bucket": "box", "versioning_configuration": {"Status": "Suspended"}}
    assert refused(errors.AccessDenied, guarded.put_bucket_versioning, **suspend, mfa=late) == WRONG
    several = {"bucket": "box", "delete": {"Objects": [{"Key": "k", "VersionId": second}]}}
    assert refused(errors.AccessDenied, guarded.delete_objects, **several, mfa=late) == WRONG
    assert left(guarded) == 1


@pytest.mark.parametrize(
    "mfa", ["", "123456", SERIAL, f"{SERIAL}  123456", f"{SERIAL} 12345", f"{SERIAL} <123456>", f"{SERIAL} 123456 ", "a b 123456"]
)  # fmt: skip
def test_a_header_that_is_none(guarded: S3, mfa: str) -> None:
    """The text is as recorded from S3."""
    with pytest.raises(errors.InvalidArgument) as caught:
        guarded.delete_object(bucket="box", key="k", version_id=put(guarded), mfa=mfa)
    assert caught.value.message == (
        "Mfa header is invalid -- the header should be formatted as {serialNumber}(space){tokenCode}"
    )
    assert caught.value.members["ArgumentName"] == "x-amz-mfa"


def test_only_the_owners_root_shows_codes_of_its_own_device(guarded: S3, device: Device) -> None:
    wanted = {"bucket": "box", "key": "k", "version_id": put(guarded)}
    run = guarded.delete_object
    right = device.shows()
    assert refused(errors.AccessDenied, run, as_=guarded.call(principal=user()), **wanted, mfa=right) == OWNER
    assert refused(errors.InvalidRequest, run, as_=session(guarded), **wanted, mfa=right) == (
        "DevPay and Mfa are mutually exclusive authorization methods."
    )
    theirs = device.shows(OTHER, THEIRS)
    foreign = guarded.call(principal=root_of(OTHER))
    assert refused(errors.AccessDenied, run, as_=foreign, **wanted, mfa=theirs) == OWNER
    assert refused(errors.AccessDenied, run, **wanted, mfa=theirs) == WRONG
    code = right.rpartition(" ")[2]
    assert refused(errors.AccessDenied, run, **wanted, mfa=f"{SERIAL}-2 {code}") == WRONG
    assert refused(errors.AccessDenied, run, **wanted, mfa=f"{SERIAL} 999999") == WRONG
    run(**wanted, mfa=right)
    assert left(guarded) == 0


def test_whoever_guesses_waits(guarded: S3, device: Device) -> None:
    wanted = {"bucket": "box", "key": "k", "version_id": put(guarded)}
    right = device.shows()
    for number in range(10):
        assert refused(errors.AccessDenied, guarded.delete_object, **wanted, mfa=f"{SERIAL} 9000{number:02}") == WRONG
    assert refused(errors.AccessDenied, guarded.delete_object, **wanted, mfa=right).startswith("Too many wrong Mfa")
    guarded.clock.time += 301
    guarded.delete_object(**wanted, mfa=right)


def test_a_code_comes_over_no_open_wire(guarded: S3, device: Device) -> None:
    wanted = {"bucket": "box", "key": "k", "version_id": put(guarded)}
    code = device.shows()
    far = guarded.call(source_ip="192.0.2.7")
    message = refused(errors.InvalidRequest, guarded.delete_object, as_=far, **wanted, mfa=code)
    assert message == "Requests that include x-amz-mfa must use HTTPS."
    guarded.delete_object(as_=guarded.call(source_ip="192.0.2.7", secure=True), **wanted, mfa=code)


def test_one_code_deletes_many_and_without_one_nothing_goes(guarded: S3, device: Device) -> None:
    """API reference, DeleteObjects: without a token, or with one that is invalid, the whole request fails."""
    entries = [{"Key": f"k{number}", "VersionId": put(guarded, f"k{number}")} for number in range(120)]
    plain = [{"Key": "hidden"}]
    wrong = f"{SERIAL} 000000"
    for objects, mfa, message in ((entries + plain, None, NEEDED), (entries, wrong, WRONG), (plain, wrong, WRONG)):
        params = {"bucket": "box", "delete": {"Objects": objects}}
        assert refused(errors.AccessDenied, guarded.delete_objects, **params, mfa=mfa) == message
    assert left(guarded) == 120
    code = device.shows()
    done = guarded.delete_objects(bucket="box", delete={"Objects": entries}, mfa=code)
    assert (len(done["Deleted"]), done["Errors"], left(guarded)) == (120, [], 0)
    again = {"bucket": "box", "delete": {"Objects": entries}}
    assert refused(errors.AccessDenied, guarded.delete_objects, **again, mfa=code) == WRONG
    done = guarded.delete_objects(bucket="box", delete={"Objects": plain})
    assert done["Deleted"][0]["DeleteMarker"] is True


def test_what_fails_for_another_reason_takes_no_code(guarded: S3, device: Device) -> None:
    wanted = {"bucket": "box", "key": "k", "version_id": put(guarded)}
    code = device.shows()
    with pytest.raises(errors.PreconditionFailed):
        guarded.delete_object(**wanted, if_match='"no"', mfa=code)
    guarded.delete_object(**wanted, mfa=code)


def test_lifecycles_and_mfa_delete_exclude_each_other(s3: S3, device: Device) -> None:
    """S3 user guide, "S3 Lifecycle configuration on MFA-enabled buckets"; the first text is as recorded from S3."""
    s3.put_bucket_lifecycle_configuration(bucket="box", lifecycle_configuration=RULES)
    code = device.shows()
    turn = {"bucket": "box", "versioning_configuration": ON, "mfa": code}
    assert refused(errors.InvalidBucketState, s3.put_bucket_versioning, **turn) == (
        "Mfa Authentication is not supported on a bucket with lifecycle configuration. Delete lifecycle configuration before "
        "enabling Mfa Authentication."
    )
    assert s3.get_bucket_versioning(bucket="box") == {}
    s3.delete_bucket_lifecycle(bucket="box")
    s3.put_bucket_versioning(**turn)
    rules = {"bucket": "box", "lifecycle_configuration": RULES}
    refused(errors.InvalidBucketState, s3.put_bucket_lifecycle_configuration, **rules)
    with pytest.raises(errors.NoSuchLifecycleConfiguration):
        s3.get_bucket_lifecycle_configuration(bucket="box")


def test_it_outlives_a_restart(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    room = S3(loop, tmp_path / "own")
    device = Device(room)
    room.create_bucket(bucket="box")
    code = device.shows()
    room.put_bucket_versioning(bucket="box", versioning_configuration=ON, mfa=code)
    room.close()
    again = S3(loop, tmp_path / "own")
    again.neighbours.codes = room.neighbours.codes
    wanted = {"bucket": "box", "key": "k", "version_id": put(again)}
    assert refused(errors.AccessDenied, again.delete_object, **wanted) == NEEDED
    assert refused(errors.AccessDenied, again.delete_object, **wanted, mfa=code) == WRONG
    again.close()
