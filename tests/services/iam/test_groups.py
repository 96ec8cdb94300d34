"""Groups: members, policies, and what stands in the way of deleting one."""

from __future__ import annotations

import pytest

from awning.services.iam.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity

ACCOUNT = "123456789012"
S3_FULL = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
ALLOW = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


@pytest.fixture
def staffed(house):
    house.iam.create_group(group_name="Staff", path="/x/")
    for name in ("alice", "bob", "carol"):
        house.iam.create_user(user_name=name)
        house.iam.add_user_to_group(group_name="Staff", user_name=name)
    return house


def test_a_group_lists_its_members_page_by_page(staffed):
    first = staffed.iam.get_group(group_name="staff", max_items=2)
    assert first["Group"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/x/Staff"
    assert first["Group"]["GroupId"].startswith("AGPA")
    assert [user["UserName"] for user in first["Users"]] == ["alice", "bob"]
    rest = staffed.iam.get_group(group_name="staff", marker=first["Marker"])
    assert [user["UserName"] for user in rest["Users"]] == ["carol"]
    assert rest["IsTruncated"] is False


def test_adding_a_member_twice_changes_nothing(staffed):
    staffed.iam.add_user_to_group(group_name="Staff", user_name="alice")
    assert len(staffed.iam.get_group(group_name="Staff")["Users"]) == 3


def test_only_what_exists_can_be_joined(staffed):
    with pytest.raises(NoSuchEntity, match="group with name none"):
        staffed.iam.add_user_to_group(group_name="none", user_name="alice")
    with pytest.raises(NoSuchEntity, match="user with name none"):
        staffed.iam.add_user_to_group(group_name="Staff", user_name="none")
    staffed.iam.remove_user_from_group(group_name="Staff", user_name="alice")
    assert "alice" not in [user["UserName"] for user in staffed.iam.get_group(group_name="Staff")["Users"]]
    staffed.iam.remove_user_from_group(group_name="Staff", user_name="alice")
    with pytest.raises(NoSuchEntity, match="group with name none"):
        staffed.iam.remove_user_from_group(group_name="none", user_name="alice")


def test_a_user_is_in_ten_groups_at_most(house):
    house.iam.create_user(user_name="alice")
    for number in range(11):
        house.iam.create_group(group_name=f"g{number}")
    for number in range(10):
        house.iam.add_user_to_group(user_name="alice", group_name=f"g{number}")
    with pytest.raises(LimitExceeded, match="GroupsPerUser"):
        house.iam.add_user_to_group(user_name="alice", group_name="g10")
    page = house.iam.list_groups_for_user(user_name="alice", max_items=4)
    assert [group["GroupName"] for group in page["Groups"]] == ["g0", "g1", "g2", "g3"]
    rest = house.iam.list_groups_for_user(user_name="alice", marker=page["Marker"])
    assert len(rest["Groups"]) == 6


def test_a_group_can_be_deleted_only_when_it_is_empty(staffed):
    staffed.iam.put_group_policy(group_name="Staff", policy_name="p", policy_document=ALLOW)
    staffed.iam.attach_group_policy(group_name="Staff", policy_arn=S3_FULL)
    with pytest.raises(DeleteConflict, match="must remove users from group first"):
        staffed.iam.delete_group(group_name="Staff")
    for name in ("alice", "bob", "carol"):
        staffed.iam.remove_user_from_group(group_name="Staff", user_name=name)
    with pytest.raises(DeleteConflict, match="must delete policies first"):
        staffed.iam.delete_group(group_name="Staff")
    staffed.iam.delete_group_policy(group_name="Staff", policy_name="p")
    with pytest.raises(DeleteConflict, match="must detach all policies first"):
        staffed.iam.delete_group(group_name="Staff")
    staffed.iam.detach_group_policy(group_name="Staff", policy_arn=S3_FULL)
    staffed.iam.delete_group(group_name="Staff")
    with pytest.raises(NoSuchEntity):
        staffed.iam.get_group(group_name="Staff")


def test_a_group_keeps_its_members_when_it_is_renamed(staffed):
    staffed.iam.create_group(group_name="other")
    with pytest.raises(EntityAlreadyExists, match="Group with name OTHER already exists"):
        staffed.iam.update_group(group_name="Staff", new_group_name="OTHER")
    staffed.iam.update_group(group_name="Staff", new_group_name="people", new_path="/")
    assert len(staffed.iam.get_group(group_name="people")["Users"]) == 3
    assert [group["GroupName"] for group in staffed.iam.list_groups()["Groups"]] == ["other", "people"]
    assert staffed.iam.list_groups(path_prefix="/x/")["Groups"] == []
