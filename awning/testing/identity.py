"""Identity: somebody whom a test lets act, with clients and variables of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

REGION_NAME = "us-east-1"

REMOVED = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CA_BUNDLE",
)
"""Variables that would lead a client elsewhere, or let it act as somebody else."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose keys these are: a root, a user or a role's session, by `arn`.

    `endpoint` is the region's URL. `settings` is a file of client settings (AWS_CONFIG_FILE).
    """

    arn: str
    access_key_id: str
    secret: str = field(repr=False)
    endpoint: str
    settings: str
    token: str | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        """The account's 12 digits."""
        return self.arn.split(":")[4]

    def session(self, region_name: str = REGION_NAME) -> Any:
        """Return a boto3 Session with these keys, whose clients go to the region; the user's own settings and profiles do not
        count in it."""
        import boto3
        import botocore.session

        core = botocore.session.Session(
            {
                "profile": (None, None, None, None),
                "config_file": (None, None, self.settings, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.session.Session(self.access_key_id, self.secret, self.token, region_name, core)

    def client(self, service: str, *, region_name: str = REGION_NAME, **options: Any) -> Any:
        """Return a boto3 client that acts as this identity; `options` as boto3 takes them."""
        return self.session(region_name).client(service, **self._options(options))

    def resource(self, service: str, *, region_name: str = REGION_NAME, **options: Any) -> Any:
        """Return a boto3 resource that acts as this identity; `options` as boto3 takes them."""
        return self.session(region_name).resource(service, **self._options(options))

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """The region is on this machine: no proxy leads to it."""
        from botocore.config import Config

        direct = Config(proxies={})
        config = direct.merge(given["config"]) if given.get("config") else direct
        return {"endpoint_url": self.endpoint, **given, "config": config}

    def environment(self, region_name: str = REGION_NAME) -> dict[str, str]:
        """Return the variables by which clients that know nothing of awning act as this identity."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            **({"AWS_SESSION_TOKEN": self.token} if self.token is not None else {}),
            "AWS_DEFAULT_REGION": region_name,
            "AWS_REGION": region_name,
            "AWS_CONFIG_FILE": self.settings,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **_without_proxy(urlsplit(self.endpoint).hostname or ""),
        }


def _without_proxy(host: str) -> dict[str, str]:
    """Where this process's variables name a proxy, those by which a client goes to `host` without it."""
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ):
        return {}
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(filter(None, (before, host))))


def unwanted(present: dict[str, str]) -> list[str]:
    """Of the variables that are set, those that environment() does not set and that must not stay."""
    return [name for name in present if name in REMOVED or name.startswith("AWS_ENDPOINT_URL_")]
