"""The variables of the closed emulator: read where they have a meaning here, named once where they have not.

Read only by `awning up`; an option of the command line counts for more than its variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from awning.cli.fault import Fault

READ = ("SERVICES", "PERSISTENCE", "DEBUG", "LS_LOG", "GATEWAY_LISTEN", "LOCALSTACK_HOST")

_OTHERS = re.compile(
    r"(?:LOCALSTACK_[A-Z_]+|EAGER_SERVICE_LOADING|EDGE_PORT|EDGE_BIND_HOST|HOSTNAME_EXTERNAL|USE_SSL|DATA_DIR|ENFORCE_IAM|"
    r"IAM_SOFT_MODE|STRICT_SERVICE_LOADING|ACTIVATE_PRO|DISABLE_CORS_CHECKS|DISABLE_CORS_HEADERS|DISABLE_CUSTOM_CORS_[A-Z0-9]+|"
    r"EXTRA_CORS_ALLOWED_[A-Z]+|SNAPSHOT_(?:SAVE|LOAD|FLUSH)_[A-Z]+|ALLOW_NONSTANDARD_REGIONS|PARITY_AWS_ACCESS_KEY_ID|"
    r"MAIN_CONTAINER_NAME|PROVIDER_OVERRIDE_[A-Z0-9_]+|LAMBDA_(?:EXECUTOR|REMOTE_DOCKER|DOCKER_[A-Z_]+|RUNTIME_[A-Z_]+|"
    r"KEEPALIVE_MS|IGNORE_ARCHITECTURE)|SQS_(?:DELAY_[A-Z_]+|ENDPOINT_STRATEGY|DISABLE_[A-Z_]+|CLOUDWATCH_[A-Z_]+)|S3_(?:DIR|SKIP_[A-Z_]+)|"
    r"DYNAMODB_(?:SHARE_DB|ERROR_PROBABILITY|HEAP_SIZE|IN_MEMORY|[A-Z]+_ERROR_PROBABILITY)|KINESIS_(?:ERROR_PROBABILITY|LATENCY)|"
    r"OPENSEARCH_(?:ENDPOINT_STRATEGY|MULTI_CLUSTER|CUSTOM_BACKEND))"
)
_LEVELS = {
    "trace": "info",
    "trace-internal": "info",
    "debug": "info",
    "info": "info",
    "warn": "error",
    "warning": "error",
    "error": "error",
    "critical": "error",
}
_TRUE = ("1", "true", "True")
_FALSE = ("0", "false", "False")
_OWN_NAMES = ("localhost", "localhost.localstack.cloud", "127.0.0.1", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class Variables:
    """What the variables say. temporary: nothing is to be kept. level: the log's. domain: a further host name. services: those
    named that there are, None for all. notes: lines that tell the user what was read and what was not."""

    temporary: bool
    level: str | None
    domain: str | None
    init: str | None
    services: frozenset[str] | None
    notes: tuple[str, ...]


def read(known: AbstractSet[str], environment: Mapping[str, str] | None = None) -> Variables:
    """Read them; `known` are the services that there are. Raises Fault for a value that says nothing."""
    given = {name: value for name, value in (os.environ if environment is None else environment).items() if value}
    persistence = given.get("PERSISTENCE")
    if persistence is not None and persistence not in (*_TRUE, *_FALSE):
        raise Fault(f"PERSISTENCE={persistence} says neither 1 nor 0.")
    level = None
    if said := given.get("LS_LOG"):
        if said.lower() not in _LEVELS:
            raise Fault(f"LS_LOG={said} is no level; there are {', '.join(_LEVELS)}.")
        level = _LEVELS[said.lower()]
    if given.get("DEBUG") in _TRUE:
        level = "info"
    host = given.get("LOCALSTACK_HOST", "").rpartition(":")[0] or given.get("LOCALSTACK_HOST", "")
    read_here = [name for name in READ if name in given]
    others = sorted(name for name in given if name not in READ and _OTHERS.fullmatch(name))
    notes = [f"Variables read: {', '.join(read_here)}."] if read_here else []
    if others:
        notes.append(f"Variables that mean nothing here: {', '.join(others)}.")
    if given.get("ENFORCE_IAM") in _FALSE:
        notes.append("ENFORCE_IAM=0 is not obeyed: permissions are checked unless you say --iam off.")
    services = None
    if named := frozenset(name.partition(":")[0].lower() for name in re.findall(r"[^\s,]+", given.get("SERVICES", ""))):
        services = named & known
        if missing := sorted(named - known):
            notes.append(
                f"WARNING: SERVICES names what awning does not have: {', '.join(missing)}. Calls of them are refused by name."
            )
    if "," in given.get("GATEWAY_LISTEN", ""):
        notes.append("Of GATEWAY_LISTEN the first address is listened on, the others are not.")
    return Variables(
        temporary=persistence in _FALSE,
        level=level,
        domain=host.lower() if host and host not in _OWN_NAMES else None,
        init=given.get("AWNING_INIT"),
        services=services,
        notes=tuple(notes),
    )
