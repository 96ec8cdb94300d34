"""Virtual MFA devices: codes by RFC 6238's own examples, enabling by two in a row, and what a second factor opens."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError

from awning.contracts import LastSessionStep
from awning.kit.errors import AccessDenied
from awning.services.iam.totp import code_at, matching_pair, matching_step, step_of
from tests.services.iam.support import ACCOUNT, OTHER
from tests.services.iam.wire import Boto

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"


@pytest.mark.parametrize(
    ("now", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_codes_are_those_of_the_standard(now, code):
    assert code_at(b"12345678901234567890", step_of(now)) == code
    assert matching_step(b"12345678901234567890", code, now + 30, 0) == step_of(now)
    assert matching_step(b"12345678901234567890", code, now + 60, 0) is None


def test_two_codes_must_follow_each_other():
    seed = bytes(20)
    assert matching_pair(seed, code_at(seed, 100), code_at(seed, 101), 105 * 30) == 101
    assert matching_pair(seed, code_at(seed, 101), code_at(seed, 100), 105 * 30) is None
    assert matching_pair(seed, code_at(seed, 100), code_at(seed, 101), 200 * 30) is None


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


@pytest.fixture
def seed(iam):
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    assert made["SerialNumber"] == SERIAL
    assert made["QRCodePNG"].startswith(b"\x89PNG")
    return base64.b32decode(made["Base32StringSeed"])


def codes(seed, now):
    step = step_of(now)
    return {"AuthenticationCode1": code_at(seed, step - 1), "AuthenticationCode2": code_at(seed, step)}


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_device_is_nobodys_until_it_is_enabled(house, iam, seed):
    iam.create_user(UserName="alice")
    wanted = {"UserName": "alice", "SerialNumber": SERIAL}
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == [
        {"SerialNumber": SERIAL}
    ]
    wrong = codes(seed, house.now + 3600)
    assert refused(iam.enable_mfa_device, **wanted, **wrong)[0] == "InvalidAuthenticationCode"
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == []
    iam.enable_mfa_device(**wanted, **codes(seed, house.now))
    (device,) = iam.list_mfa_devices(UserName="alice")["MFADevices"]
    assert (device["SerialNumber"], device["EnableDate"].timestamp()) == (SERIAL, house.now)
    (listed,) = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert listed["User"]["UserName"] == "alice"
    assert "Base32StringSeed" not in listed
    iam.create_user(UserName="bob")
    assert refused(iam.enable_mfa_device, UserName="bob", SerialNumber=SERIAL, **codes(seed, house.now)) == (
        "EntityAlreadyExists",
        "MFA Device is already in use.",
    )
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=SERIAL)[0] == "DeleteConflict"
    assert refused(iam.delete_user, UserName="alice")[0] == "DeleteConflict"
    assert refused(iam.deactivate_mfa_device, UserName="bob", SerialNumber=SERIAL)[0] == "NoSuchEntity"
    iam.deactivate_mfa_device(**wanted)
    iam.delete_virtual_mfa_device(SerialNumber=SERIAL)
    iam.delete_user(UserName="alice")
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=SERIAL) == (
        "NoSuchEntity",
        f"MFA Device with serial number {SERIAL} does not exist.",
    )


def test_names_are_taken_once_and_the_seed_is_not_in_the_table(house, iam, seed):
    assert refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="phone") == (
        "EntityAlreadyExists",
        "MFA device already exists.",
    )
    assert refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="x", Path="bad")[0] == "ValidationError"
    (row,) = house.rooms["iam"].db.execute("SELECT * FROM resources").fetchall()
    assert not any(seed in value for value in row if isinstance(value, bytes))
    iam.tag_mfa_device(SerialNumber=SERIAL, Tags=[{"Key": "a", "Value": "b"}])
    assert iam.list_mfa_device_tags(SerialNumber=SERIAL)["Tags"] == [{"Key": "a", "Value": "b"}]


@pytest.fixture
def alice(house, iam, seed):
    iam.create_user(UserName="alice")
    iam.enable_mfa_device(UserName="alice", SerialNumber=SERIAL, **codes(seed, house.now))
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=json.dumps(everything))
    return house.as_key(house.iam.create_access_key(user_name="alice")["AccessKey"])


def test_a_session_token_with_a_code_manages_identities_and_a_code_is_good_once(house, alice, seed):
    house.now += 30
    shown = {"serial_number": SERIAL, "token_code": code_at(seed, step_of(house.now))}
    session = house.as_key(house.sts.get_session_token(by=alice, **shown)["Credentials"])
    assert session.mfa == float(int(house.now))
    house.iam.list_users(by=session)
    with pytest.raises(AccessDenied, match="invalid MFA one time pass code"):
        house.sts.get_session_token(by=alice, **shown)
    with pytest.raises(AccessDenied, match="must provide both"):
        house.sts.get_session_token(by=alice, serial_number=SERIAL)
    plain = house.as_key(house.sts.get_session_token(by=alice)["Credentials"])
    with pytest.raises(AccessDenied):
        house.iam.list_users(by=plain)


def test_a_role_that_wants_a_second_factor_is_assumed_with_a_code_only(house, alice, seed):
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": alice.arn},
        "Action": "sts:AssumeRole",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = house.iam.create_role(role_name="admin", assume_role_policy_document=document)["Role"]["Arn"]
    wanted = {"role_arn": role, "role_session_name": "work"}
    house.now += 30
    with pytest.raises(AccessDenied):
        house.sts.assume_role(by=alice, **wanted)
    right = code_at(seed, step_of(house.now))
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    with pytest.raises(AccessDenied):
        house.sts.assume_role(by=alice, serial_number=SERIAL, token_code=wrong, **wanted)
    house.sts.assume_role(by=alice, serial_number=SERIAL, token_code=right, **wanted)
    with pytest.raises(AccessDenied):
        house.sts.assume_role(by=alice, serial_number=SERIAL, token_code=right, **wanted)
    house.now += 30
    session = house.sts.get_session_token(by=alice, serial_number=SERIAL, token_code=code_at(seed, step_of(house.now)))
    house.sts.assume_role(by=house.as_key(session["Credentials"]), **wanted)


def test_a_code_that_another_room_took_proves_nothing(house, iam, alice, seed):
    house.now += 30
    step = step_of(house.now)
    house.deleted_at = step
    shown = {"serial_number": SERIAL, "token_code": code_at(seed, step)}
    with pytest.raises(AccessDenied, match="invalid MFA"):
        house.sts.get_session_token(by=alice, **shown)
    earlier = {"AuthenticationCode1": code_at(seed, step - 3), "AuthenticationCode2": code_at(seed, step - 2)}
    iam.resync_mfa_device(UserName="alice", SerialNumber=SERIAL, **earlier)
    with pytest.raises(AccessDenied, match="invalid MFA"):
        house.sts.get_session_token(by=alice, **shown)
    house.deleted_at = step - 1
    house.now += 30
    house.sts.get_session_token(by=alice, **shown)
    asked = house.rooms["sts"].service.answers[LastSessionStep]
    assert asked(house.call("sts"), LastSessionStep(SERIAL)) == step


def test_a_code_of_anothers_device_proves_nothing(house, iam, alice, seed):
    iam.create_user(UserName="bob")
    bob = house.as_key(house.iam.create_access_key(user_name="bob")["AccessKey"])
    house.now += 30
    with pytest.raises(AccessDenied, match="invalid MFA"):
        house.sts.get_session_token(by=bob, serial_number=SERIAL, token_code=code_at(seed, step_of(house.now)))


def test_nobody_guesses_a_code(house, alice, seed):
    house.now += 60
    sts = Boto(house).client("sts", alice)

    def show(code):
        return refused(sts.get_session_token, SerialNumber=SERIAL, TokenCode=code)[1]

    right = code_at(seed, step_of(house.now))
    wrong = [code for code in (f"{number:06}" for number in range(14)) if code != right][:10]
    for code in [*wrong, *wrong[:3]][:9] * 2:
        assert "invalid MFA one time pass code" in show(code)
    assert "invalid MFA one time pass code" in show(wrong[9])
    assert "too many wrong codes" in show(right)
    house.now += 300
    sts.get_session_token(SerialNumber=SERIAL, TokenCode=code_at(seed, step_of(house.now)))
    assert "invalid MFA one time pass code" in show(wrong[0])


# The root's ----------------------------------------------------------------------------------------------------------

ROOT_SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"


def command(house, action, account=ACCOUNT, name="root-account-mfa-device", **given):
    """What `awning iam mfa` asks of the room."""
    control = house.rooms["iam"].service.controls["root-mfa"]
    return control(house.call("iam"), {"action": action, "account": account, "name": name, **given})


def enabled_root(house, account=ACCOUNT):
    made = command(house, "make", account)
    seed = base64.b32decode(made["secret"])
    assert made["uri"] == f"otpauth://totp/root-account-mfa-device@{account}?secret={made['secret']}"
    command(house, "enable", account, codes=list(codes(seed, house.now).values()))
    return seed


def test_the_roots_device_is_made_by_the_command_and_seen_by_the_api(house, iam):
    """IAM user guide, "Enable a virtual MFA device for the root user", and GetAccountSummary."""
    assert iam.list_mfa_devices()["MFADevices"] == []
    assert iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 0
    enabled_root(house)
    (device,) = iam.list_mfa_devices()["MFADevices"]
    assert device["SerialNumber"] == ROOT_SERIAL
    assert iam.get_mfa_device(SerialNumber=ROOT_SERIAL)["UserName"] == "root"
    (listed,) = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert (listed["SerialNumber"], listed["User"]["Arn"]) == (ROOT_SERIAL, f"arn:aws:iam::{ACCOUNT}:root")
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["AccountMFAEnabled"], summary["MFADevicesInUse"]) == (1, 1)
    iam.generate_credential_report()
    row = iam.get_credential_report()["Content"].decode().splitlines()[1].split(",")
    assert (row[0], row[7]) == ("<root_account>", "true")


def test_a_stolen_key_of_the_root_does_not_take_its_second_factor_away(house, iam):
    enabled_root(house)
    assert refused(iam.deactivate_mfa_device, SerialNumber=ROOT_SERIAL)[0] == "ValidationError"
    assert refused(iam.deactivate_mfa_device, UserName="root", SerialNumber=ROOT_SERIAL)[0] == "NoSuchEntity"
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=ROOT_SERIAL)[0] == "DeleteConflict"
    iam.create_user(UserName="alice")
    assert refused(iam.deactivate_mfa_device, UserName="alice", SerialNumber=ROOT_SERIAL)[0] == "NoSuchEntity"
    command(house, "remove")
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 0


def test_the_command_refuses_what_the_user_can_mend(house, iam):
    with pytest.raises(ValueError, match="There is no device"):
        command(house, "enable", codes=["000000", "000000"])
    first = command(house, "make")["secret"]
    second = command(house, "make")["secret"]
    old = list(codes(base64.b32decode(first), house.now).values())
    assert first != second
    with pytest.raises(ValueError, match="Authentication code for device is not valid"):
        command(house, "enable", codes=old)
    command(house, "enable", codes=list(codes(base64.b32decode(second), house.now).values()))
    with pytest.raises(ValueError, match="is in use"):
        command(house, "make")
    with pytest.raises(ValueError, match="12 digits"):
        command(house, "make", account="1")
    with pytest.raises(ValueError, match="alphanumeric"):
        command(house, "make", name="a/b")
    with pytest.raises(ValueError, match="no action"):
        command(house, "look")
    iam.create_user(UserName="alice")
    theirs = base64.b32decode(command(house, "make", name="theirs")["secret"])
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/theirs"
    iam.enable_mfa_device(UserName="alice", SerialNumber=serial, **codes(theirs, house.now))
    with pytest.raises(ValueError, match="is a user's"):
        command(house, "remove", name="theirs")


def test_the_root_gets_a_session_by_a_code_of_its_own_device_once(house):
    seed, others = enabled_root(house), enabled_root(house, OTHER)
    house.now += 30
    code = code_at(seed, step_of(house.now))
    session = house.as_key(house.sts.get_session_token(serial_number=ROOT_SERIAL, token_code=code)["Credentials"])
    assert (session.kind, session.mfa) == ("root", float(int(house.now)))
    with pytest.raises(AccessDenied, match="invalid MFA one time pass code"):
        house.sts.get_session_token(serial_number=ROOT_SERIAL, token_code=code)
    shown = {
        "serial_number": f"arn:aws:iam::{OTHER}:mfa/root-account-mfa-device",
        "token_code": code_at(others, step_of(house.now)),
    }
    with pytest.raises(AccessDenied, match="invalid MFA one time pass code"):
        house.sts.get_session_token(**shown)
