"""Exchange: one request on its way through the gateway, with what the stages have found out so far."""

from __future__ import annotations

from typing import Any

from awning.auth.claims import Claims
from awning.auth.payload import PayloadRule
from awning.auth.principal import ANONYMOUS, Principal
from awning.gateway.address import HostFacts
from awning.gateway.body import PayloadBody
from awning.gateway.catalogue import Bound, Entry
from awning.gateway.context import Context
from awning.gateway.forms import Form, FormBody
from awning.kit.call import Call
from awning.kit.operation import Params
from awning.net.messages import Request
from awning.protocols.model import Match, Wire


class Exchange:
    """What is known of a request. Stages fill it from top to bottom; all is empty at first."""

    __slots__ = (
        "body",
        "bound",
        "call",
        "claims",
        "context",
        "detail",
        "entry",
        "epoch",
        "error",
        "form",
        "guessed",
        "host",
        "label",
        "match",
        "now",
        "params",
        "path",
        "payload_rule",
        "principal",
        "protocol",
        "region",
        "request",
        "request_id",
        "site",
        "virtual_host",
        "wire",
    )

    def __init__(self, request: Request, request_id: str, now: float, epoch: int = 0) -> None:
        self.request = request
        self.request_id = request_id
        self.now = now
        self.epoch = epoch
        """Which life of the region it came in; a reset begins another."""
        self.host = ""
        self.label = ""
        """The name that the host or the signature has for the service."""
        self.guessed = False
        """Neither names it: the label is what the request looks like."""
        self.claims: Claims | None = None
        self.entry: Entry | None = None
        self.region = "us-east-1"
        self.path = request.path
        self.virtual_host: str | None = None
        self.site: HostFacts | None = None
        """Where the host is that of a website."""
        self.principal: Principal = ANONYMOUS
        self.payload_rule: PayloadRule | None = None
        self.match: Match | None = None
        self.wire: Wire | None = None
        self.body: PayloadBody | FormBody | None = None
        self.form: Form | None = None
        """Where the request is a browser's form."""
        self.protocol = ""
        self.bound: Bound | None = None
        self.params: Params = {}
        self.call: Call | None = None
        self.context: Context | None = None
        self.detail: str | None = None
        """Why it was refused, for the log."""
        self.error: str | None = None
        """The code that it was refused with."""

    def needs(self) -> tuple[Entry, Bound, Call, Any]:
        """Return what the later stages rely on."""
        assert self.entry is not None
        assert self.bound is not None
        assert self.call is not None
        return self.entry, self.bound, self.call, self.params

    def let_go(self) -> None:
        """Part what refers to each other in a circle: a request then goes at once, and the garbage collector has no work."""
        self.call = None
        self.body = None
        if self.context is not None:
            self.context.let_go()
