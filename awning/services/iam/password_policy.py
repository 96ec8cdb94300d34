"""The account's rules for passwords, and what they say of one. They are asked when a password is set, not of those that are."""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import resource_tables
from awning.services.iam.errors import NoSuchEntity, PasswordPolicyViolation, ValidationError

_POLICY: Final = "password-policy"
MOST_KEPT: Final = 24
"""Passwords that a policy may keep from being used again."""
_SYMBOLS: Final = frozenset("!@#$%^&*()_+-=[]{}|'")
_UNSET_LENGTH: Final = 8
_UNSET_KINDS: Final = 3
"""Where an account has no policy: eight characters of three kinds. Source: "Set an account password policy for IAM users"."""
_KINDS: Final = (
    ("RequireUppercaseCharacters", "one uppercase letter", lambda char: "A" <= char <= "Z"),
    ("RequireLowercaseCharacters", "one lowercase letter", lambda char: "a" <= char <= "z"),
    ("RequireNumbers", "one number", lambda char: "0" <= char <= "9"),
    ("RequireSymbols", "one symbol", lambda char: char in _SYMBOLS),
)


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


def found(call: Call, account: str | None = None) -> dict[str, Any]:
    """An account's rules as GetAccountPasswordPolicy shows them; empty where it has set none."""
    return resource_tables.setting(call.db, account or call.account, _POLICY) or {}


def check(call: Call, password: str) -> None:
    """Raise PasswordPolicyViolation for a password that the account's rules refuse."""
    policy = found(call)
    least = policy.get("MinimumPasswordLength", _UNSET_LENGTH)
    if len(password) < least:
        raise PasswordPolicyViolation(f"Password should have a minimum length of {least}")
    missing = {
        rule: f"Password should have at least {kind}" for rule, kind, fits in _KINDS if not any(map(fits, password))
    }
    if policy:
        broken = [text for rule, text in missing.items() if policy[rule]]
        if broken:
            raise PasswordPolicyViolation(", ".join(broken))
    elif (more := len(missing) - (len(_KINDS) - _UNSET_KINDS)) > 0:
        wanted = ", ".join(missing.values())
        raise PasswordPolicyViolation(f"Password should meet {more} more of the following requirements: {wanted}")


def reuse_prevented(call: Call) -> int:
    """How many of a user's latest passwords may not be used again."""
    return int(found(call).get("PasswordReusePrevention", 0))
