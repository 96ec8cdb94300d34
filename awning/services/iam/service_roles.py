"""Service-linked roles: made for a service, which alone assumes them; nobody but the service changes them.

Their path says which service it is. Nothing in awning keeps such a role in use, so a deletion succeeds at once.
"""

from __future__ import annotations

import json
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Needs, Params, operation
from awning.services.iam import lookup, managed, resource_tables, roles, tables
from awning.services.iam.create import check_quota
from awning.services.iam.errors import InvalidInput, NoSuchEntity
from awning.services.iam.linked_services import PATH, POLICIES, Linked, linked
from awning.services.iam.names import check_name, new_id
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tables import Entity

_TASK: Final = "deletion-task"
_TASKS_KEPT: Final = 30 * 86_400.0
"""Seconds for which the outcome of a deletion can be asked for."""
_SESSION: Final = 3600


def _name(service: Linked, suffix: str | None) -> str:
    return service.role if suffix is None else f"{service.role}_{suffix}"


def _new_arn(call: Call, params: Params) -> str:
    service: str = params["aws_service_name"]
    found = linked(service) or Linked(service, "*", None, True)
    return tables.arn_of(call.account, "role", f"{PATH}{service}/", _name(found, params.get("custom_suffix")))


@operation(Needs("iam:CreateServiceLinkedRole", _new_arn), context=lookup.linking_conditions)
def create_service_linked_role(
    call: Call, aws_service_name: str, description: str | None = None, custom_suffix: str | None = None
) -> dict[str, Any]:
    """Make the role of a service in this account, with the policy that AWS gives it."""
    service = linked(aws_service_name)
    if service is None:
        raise InvalidInput(f"{aws_service_name} is not the name of a service, such as ecs.amazonaws.com.")
    if custom_suffix is not None and not service.suffix:
        raise InvalidInput(f"Custom suffix is not allowed for {aws_service_name}")
    name = _name(service, custom_suffix)
    if tables.find_entity(call.db, call.account, "role", name) is not None:
        raise InvalidInput(f"Service role name {name} has been taken in this account, please try a different suffix.")
    check_name("role", name, "roleName")
    check_quota(call, "role")
    statement = {"Effect": "Allow", "Principal": {"Service": aws_service_name}, "Action": "sts:AssumeRole"}
    role = Entity(
        0, call.account, "role", name, f"{PATH}{aws_service_name}/", new_id(call, "role"), call.now, None, {},
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}), description, _SESSION,
    )  # fmt: skip
    tables.add_entity(call.db, role)
    if service.policy is not None:
        tables.attach(call.db, lookup.entity(call, "role", name), f"{managed.PREFIX}{POLICIES}{service.policy}")
    return {"Role": roles.describe_briefly(call, role)}


@operation(Needs("iam:DeleteServiceLinkedRole", lookup.arn("role")), context=lookup.conditions)
def delete_service_linked_role(call: Call, role_name: str) -> dict[str, Any]:
    """Delete a service's role, and return the task by which the outcome can be asked for."""
    role = lookup.entity(call, "role", role_name)
    if not role.path.startswith(PATH):
        raise InvalidInput(f"The role {role_name} is not a service-linked role.")
    for arn in tables.attached_policies(call.db, role.row):
        tables.detach(call.db, role.row, arn)
    tables.remove_entity(call.db, role.row)
    resource_tables.remove_older(call.db, call.account, _TASK, call.now - _TASKS_KEPT)
    task = f"task{role.path}{role.name}/{call.new_id()}"
    resource_tables.add(call.db, Resource(0, call.account, _TASK, task, "/", "", call.now))
    return {"DeletionTaskId": task}


def _task_arn(call: Call, params: Params) -> str:
    """The role that a task is about: task/aws-service-role/SERVICE/ROLE/UUID."""
    role = params["deletion_task_id"].removeprefix("task").rpartition("/")[0]
    return f"arn:aws:iam::{call.account}:role{role if role.startswith(PATH) else '/'}"


@operation(Needs("iam:GetServiceLinkedRoleDeletionStatus", _task_arn), reads=True)
def get_service_linked_role_deletion_status(call: Call, deletion_task_id: str) -> dict[str, Any]:
    """Say how a deletion went."""
    if resource_tables.find(call.db, call.account, _TASK, deletion_task_id) is None:
        raise NoSuchEntity(f"The deletion task with id {deletion_task_id} cannot be found.")
    return {"Status": "SUCCEEDED"}
