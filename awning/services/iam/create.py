"""What creating, renaming and deleting users, roles and groups have in common: names, quotas, conflicts."""

from __future__ import annotations

from collections.abc import Sequence

from awning.kit.call import Call
from awning.services.iam import linked_services, tables
from awning.services.iam.errors import DeleteConflict, EntityAlreadyExists, InvalidInput, LimitExceeded
from awning.services.iam.names import check_name, check_path
from awning.services.iam.quotas import ENTITIES_PER_ACCOUNT
from awning.services.iam.tables import Kind


def check_new(call: Call, kind: Kind, name: str, path: str) -> None:
    """Raise ValidationError, InvalidInput, EntityAlreadyExists or LimitExceeded where this can't be created."""
    check_path(kind, path)
    if kind == "role" and path.startswith(linked_services.PATH):
        raise InvalidInput(f"The path {linked_services.PATH} is reserved for service-linked roles.")
    check_rename(call, kind, name)
    check_quota(call, kind)


def check_quota(call: Call, kind: Kind) -> None:
    """Raise LimitExceeded where the account has as many of a kind as it may have."""
    quota, most = ENTITIES_PER_ACCOUNT[kind]
    if tables.count_entities(call.db, call.account, kind) >= most:
        raise LimitExceeded(f"Cannot exceed quota for {quota}: {most}")


def check_rename(call: Call, kind: Kind, name: str) -> None:
    """Raise ValidationError or EntityAlreadyExists where the name is wrong or taken."""
    check_name(kind, name, f"{kind}Name")
    if tables.find_entity(call.db, call.account, kind, name) is not None:
        raise EntityAlreadyExists(f"{kind.capitalize()} with name {name} already exists.")


def refuse_delete(what: str, verb: str, left: Sequence[object]) -> None:
    """Raise DeleteConflict where something is left that must go first."""
    if left:
        raise DeleteConflict(f"Cannot delete entity, must {verb} {what} first.")
