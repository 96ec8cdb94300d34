"""IAM's quotas and name rules as data.

Source: "IAM and AWS STS quotas" in the IAM user guide; roles at the largest value that AWS grants, others by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ENTITIES_PER_ACCOUNT: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {
        "user": ("UsersPerAccount", 5000),
        "role": ("RolesPerAccount", 5000),
        "group": ("GroupsPerAccount", 300),
        "policy": ("PoliciesPerAccount", 1500),
    }
)
ATTACHED_POLICIES: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {"user": ("PoliciesPerUser", 10), "role": ("PoliciesPerRole", 10), "group": ("PoliciesPerGroup", 10)}
)
INLINE_CHARACTERS: Final[Mapping[str, int]] = MappingProxyType({"user": 2048, "role": 10240, "group": 5120})
"""All inline policies of an entity together, white space not counted."""
ACCESS_KEYS_PER_USER: Final = 2
GROUPS_PER_USER: Final = 10
MANAGED_POLICY_CHARACTERS: Final = 6144
"""White space not counted, as in TRUST_POLICY_CHARACTERS."""
TRUST_POLICY_CHARACTERS: Final = 2048
POLICY_VERSIONS: Final = 5
INSTANCE_PROFILES: Final = 1000
MFA_DEVICES_PER_USER: Final = 8
SERVER_CERTIFICATES: Final = 20
SERVICE_CREDENTIALS: Final = 2
"""Of one user and service."""
SIGNING_CERTIFICATES_PER_USER: Final = 2
SSH_KEYS_PER_USER: Final = 5
OIDC_PROVIDERS: Final = 100
SAML_PROVIDERS: Final = 100
CLIENT_IDS: Final = 100
THUMBPRINTS: Final = 5
"""Of an OpenID Connect provider each."""
TAGS: Final = 50
NAME_LENGTH: Final[Mapping[str, int]] = MappingProxyType(
    {"user": 64, "role": 64, "group": 128, "policy": 128, "instance-profile": 128, "mfa": 226}
)
PAGE: Final = 100
"""Items of a page when the caller does not say."""
LARGEST_PAGE: Final = 300
"""Items of a page at most, whatever the caller says, as IAM documents it may: no list holds up the other requests."""
