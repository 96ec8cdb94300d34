"""The account's rules for passwords. No user has a password yet, so there is none that they could refuse."""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import resource_tables
from awning.services.iam.errors import NoSuchEntity, ValidationError

_POLICY: Final = "password-policy"


@operation(Needs("iam:UpdateAccountPasswordPolicy", "*"))
def update_account_password_policy(
    call: Call,
    minimum_password_length: int = 6,
    require_symbols: bool = False,
    require_numbers: bool = False,
    require_uppercase_characters: bool = False,
    require_lowercase_characters: bool = False,
    allow_users_to_change_password: bool = False,
    max_password_age: int | None = None,
    password_reuse_prevention: int | None = None,
    hard_expiry: bool | None = None,
) -> None:
    """Set the account's rules; what is not given goes back to its default."""
    limits = (
        ("minimumPasswordLength", minimum_password_length, 6, 128),
        ("passwordReusePrevention", password_reuse_prevention, 1, 24),
        ("maxPasswordAge", max_password_age, 1, 1095),
    )
    wrong = [
        f"Value at '{name}' failed to satisfy constraint: Member must have value "
        + (f"less than or equal to {most}" if value > most else f"greater than or equal to {least}")
        for name, value, least, most in limits
        if value is not None and not least <= value <= most
    ]
    if wrong:
        plural = "s" if len(wrong) > 1 else ""
        raise ValidationError(f"{len(wrong)} validation error{plural} detected: {'; '.join(wrong)}")
    policy: dict[str, Any] = {
        "MinimumPasswordLength": minimum_password_length,
        "RequireSymbols": require_symbols,
        "RequireNumbers": require_numbers,
        "RequireUppercaseCharacters": require_uppercase_characters,
        "RequireLowercaseCharacters": require_lowercase_characters,
        "AllowUsersToChangePassword": allow_users_to_change_password,
        "ExpirePasswords": max_password_age is not None,
    }
    optional = {
        "MaxPasswordAge": max_password_age,
        "PasswordReusePrevention": password_reuse_prevention,
        "HardExpiry": hard_expiry,
    }
    policy |= {name: value for name, value in optional.items() if value is not None}
    resource_tables.set_setting(call.db, call.account, _POLICY, policy)


@operation(Needs("iam:GetAccountPasswordPolicy", "*"), reads=True)
def get_account_password_policy(call: Call) -> dict[str, Any]:
    """Show the account's rules, where it has set some."""
    policy = resource_tables.setting(call.db, call.account, _POLICY)
    if policy is None:
        raise NoSuchEntity(f"The Password Policy with domain name {call.account} cannot be found.")
    return {"PasswordPolicy": policy}


@operation(Needs("iam:DeleteAccountPasswordPolicy", "*"))
def delete_account_password_policy(call: Call) -> None:
    """Go back to the rules of accounts that have set none."""
    if resource_tables.setting(call.db, call.account, _POLICY) is None:
        raise NoSuchEntity("The account policy with name PasswordPolicy cannot be found.")
    resource_tables.remove_setting(call.db, call.account, _POLICY)
