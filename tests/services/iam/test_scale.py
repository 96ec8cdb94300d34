"""Many users, roles and policies: what decides a request reads none of the others, and every list comes in pages."""

from __future__ import annotations

import inspect
import json
import re

import pytest
from botocore.loaders import Loader

from awning.contracts import FindCredential, FindRole, FindSession
from awning.services.iam.quotas import LARGEST_PAGE
from tests.services.iam.support import ACCOUNT

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    }
)
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"}}
)


@pytest.fixture
def crowd(house):
    """Three of everything that lists name, all of it owned by or attached to the first user, role and group."""
    iam = house.iam
    for number in range(3):
        name = f"it-{number}"
        tags = [{"Key": f"key-{one}", "Value": ""} for one in range(3)]
        iam.create_user(user_name=name, tags=tags)
        iam.create_role(role_name=name, assume_role_policy_document=TRUST, tags=tags)
        iam.create_group(group_name=name)
        iam.create_policy(policy_name=name, policy_document=DOCUMENT, tags=tags)
        iam.create_instance_profile(instance_profile_name=name, tags=tags)
        iam.add_role_to_instance_profile(instance_profile_name=name, role_name="it-0")
        iam.create_virtual_mfa_device(virtual_mfa_device_name=name, tags=tags)
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
        for kind in ("user", "role", "group"):
            named = {f"{kind}_name": "it-0"}
            getattr(iam, f"attach_{kind}_policy")(policy_arn=arn, **named)
            getattr(iam, f"put_{kind}_policy")(policy_name=name, policy_document=DOCUMENT, **named)
        iam.add_user_to_group(group_name=name, user_name="it-0")
        if number:
            iam.add_user_to_group(group_name="it-0", user_name=name)
            iam.create_policy_version(policy_arn=f"arn:aws:iam::{ACCOUNT}:policy/it-0", policy_document=DOCUMENT)
            iam.attach_user_policy(policy_arn=f"arn:aws:iam::{ACCOUNT}:policy/it-0", user_name=name)
    for _ in range(2):
        iam.create_access_key(user_name="it-0")
        iam.create_service_specific_credential(user_name="it-0", service_name="codecommit.amazonaws.com")
    return house


POLICY = f"arn:aws:iam::{ACCOUNT}:policy/it-0"
LISTS = {
    "get_account_authorization_details": ({"filter": ["User", "Role"]}, "UserDetailList"),
    "get_group": ({"group_name": "it-0"}, "Users"),
    "list_access_keys": ({"user_name": "it-0"}, "AccessKeyMetadata"),
    "list_attached_group_policies": ({"group_name": "it-0"}, "AttachedPolicies"),
    "list_attached_role_policies": ({"role_name": "it-0"}, "AttachedPolicies"),
    "list_attached_user_policies": ({"user_name": "it-0"}, "AttachedPolicies"),
    "list_entities_for_policy": ({"policy_arn": POLICY}, "PolicyUsers"),
    "list_group_policies": ({"group_name": "it-0"}, "PolicyNames"),
    "list_groups": ({}, "Groups"),
    "list_groups_for_user": ({"user_name": "it-0"}, "Groups"),
    "list_instance_profile_tags": ({"instance_profile_name": "it-0"}, "Tags"),
    "list_instance_profiles": ({}, "InstanceProfiles"),
    "list_instance_profiles_for_role": ({"role_name": "it-0"}, "InstanceProfiles"),
    "list_mfa_device_tags": ({"serial_number": f"arn:aws:iam::{ACCOUNT}:mfa/it-0"}, "Tags"),
    "list_policies": ({}, "Policies"),
    "list_policy_tags": ({"policy_arn": POLICY}, "Tags"),
    "list_policy_versions": ({"policy_arn": POLICY}, "Versions"),
    "list_role_policies": ({"role_name": "it-0"}, "PolicyNames"),
    "list_role_tags": ({"role_name": "it-0"}, "Tags"),
    "list_roles": ({}, "Roles"),
    "list_service_specific_credentials": ({"user_name": "it-0"}, "ServiceSpecificCredentials"),
    "list_user_policies": ({"user_name": "it-0"}, "PolicyNames"),
    "list_user_tags": ({"user_name": "it-0"}, "Tags"),
    "list_users": ({}, "Users"),
    "list_virtual_mfa_devices": ({}, "VirtualMFADevices"),
    "simulate_custom_policy": (
        {"policy_input_list": [DOCUMENT], "action_names": ["s3:GetObject", "sqs:SendMessage", "sns:Publish"]},
        "EvaluationResults",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_comes_in_pages_of_one_without_gap_or_repetition(crowd, name):
    given, member = LISTS[name]
    call = getattr(crowd.iam, name)
    whole = call(**given, max_items=LARGEST_PAGE)
    assert not whole["IsTruncated"]
    assert "Marker" not in whole
    assert len(whole[member]) >= 2
    found, marker = [], None
    for _ in range(len(whole[member]) + 20):
        page = call(**given, max_items=1, marker=marker)
        found += page[member]
        marker = page.get("Marker")
        assert page["IsTruncated"] is (marker is not None)
        if marker is None:
            break
    assert found == whole[member]


def test_what_botocore_pages_through_has_pages(house):
    loaded = Loader().load_service_model("iam", "paginators-1")["pagination"]
    operations = house.rooms["iam"].service.operations()
    for name in loaded:
        python = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
        parameters = inspect.signature(operations[python].function).parameters
        assert {"marker", "max_items"} <= parameters.keys(), name


def test_what_decides_a_request_is_found_by_an_index(crowd):
    key = crowd.iam.create_access_key(user_name="it-1")["AccessKey"]["AccessKeyId"]
    role = f"arn:aws:iam::{ACCOUNT}:role/it-0"
    session = crowd.sts.assume_role(role_arn=role, role_session_name="work")["Credentials"]["AccessKeyId"]
    said = []
    databases = {name: room.db for name, room in crowd.rooms.items()}
    for name, db in databases.items():
        db.set_trace_callback(lambda text, name=name: said.append((name, text)))
    alice = crowd.as_key(key)
    crowd.as_key(session)
    crowd.ask(FindRole(role))
    crowd.ask(FindCredential("AKIANOBODY"))
    crowd.ask(FindSession("ASIANOBODY"))
    crowd.sts.get_session_token(by=alice)
    crowd.iam.get_user(user_name="it-2")
    crowd.iam.attach_role_policy(role_name="it-2", policy_arn=POLICY)
    crowd.iam.add_user_to_group(group_name="it-2", user_name="it-1")
    for db in databases.values():
        db.set_trace_callback(None)
    read = [(name, text) for name, text in said if text.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(read) > 20
    for name, text in read:
        for row in databases[name].execute(f"EXPLAIN QUERY PLAN {text}"):
            assert not row[3].startswith("SCAN"), (text, row[3])
