"""The request path, as one list of stages: address, identify, receive, understand, authorise, run, reply.

Knows rooms only as entries of the catalogue. Each stage either fills the exchange or raises a ServiceError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any

from awning.auth.claims import Claims
from awning.auth.decision import Decision, Why
from awning.auth.evaluate import decide
from awning.auth.payload import PayloadRule, anonymous_rule, check_whole
from awning.auth.principal import ANONYMOUS
from awning.auth.refused import Reason, Refused, Style, code_for, text_for
from awning.auth.signature import Verifier, check_credential
from awning.gateway import origins, services, sites
from awning.gateway.access import DEFAULT_ACCOUNT, Access
from awning.gateway.address import read_host, under
from awning.gateway.body import PayloadBody, body_error, decompress, is_compressed
from awning.gateway.catalogue import Entry
from awning.gateway.context import Context
from awning.gateway.exchange import Exchange
from awning.gateway.forms import is_form, take_in
from awning.gateway.guarded import decide_guarded
from awning.gateway.journal import Journal
from awning.gateway.metrics import Requests
from awning.gateway.pages import CERTIFICATES, Pages
from awning.gateway.trail import Trail
from awning.gateway.usage import Usage
from awning.gateway.watching import follow
from awning.kit import authorization_messages
from awning.kit.call import Call, Facts
from awning.kit.clock import Clock
from awning.kit.errors import AccessDenied, InternalFailure, NotImplementedHere, RegionReset, ServiceUnavailable
from awning.kit.randomness import Randomness
from awning.kit.tags import request_tags
from awning.net.messages import BodyError, FileSlice, Request, Response
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.events import EventBody
from awning.protocols.model import Wire, choose
from awning.protocols.reply import Reply, write_error
from awning.store.errors import StoreError

LARGEST_DOCUMENT = 8 * 1024 * 1024
"""Bytes of a body that is parsed (not streamed)."""

LARGEST_UNSIGNED = 256 * 1024
"""The same where nobody has signed: a stranger may cost less."""

_INLINE: Mapping[str, int] = {"json": 128 * 1024, "rest-json": 128 * 1024, "smithy-rpc-v2-cbor": 8 * 1024}
_INLINE_OTHERS = 64 * 1024
"""Bytes of a body up to which it is parsed at once; a larger one is parsed in a thread, and the loop goes on meanwhile."""
_INLINE_PARAMETERS = 2_000
"""The same of a form, whose parsing costs by the parameter."""

_STYLES: Mapping[str, Style] = {
    "json": "json",
    "rest-json": "json",
    "smithy-rpc-v2-cbor": "json",
    "query": "query",
    "ec2": "query",
}

# What a refused signature tells, by the names of S3's error document.
_MEMBERS = {
    "access_key_id": "AWSAccessKeyId",
    "signature_provided": "SignatureProvided",
    "string_to_sign": "StringToSign",
    "string_to_sign_bytes": "StringToSignBytes",
    "canonical_request": "CanonicalRequest",
    "canonical_request_bytes": "CanonicalRequestBytes",
    "request_time": "RequestTime",
    "server_time": "ServerTime",
    "max_allowed_skew_milliseconds": "MaxAllowedSkewMilliseconds",
    "expires": "Expires",
    "x_amz_expires": "X-Amz-Expires",
    "region": "Region",
    "argument_name": "ArgumentName",
    "argument_value": "ArgumentValue",
    "header": "Header",
    "headers_not_signed": "HeadersNotSigned",
    "client_computed_content_sha256": "ClientComputedContentSHA256",
    "s3_computed_content_sha256": "S3ComputedContentSHA256",
}


class Gateway:
    """Answers requests. `entries` are the rooms by name; `enforce` is False only with `--iam off`."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        access: Access,
        clock: Clock,
        journal: Journal,
        pages: Pages,
        *,
        enforce: bool = True,
        domain: str | None = None,
    ) -> None:
        self.entries = entries
        self.models = {entry.service.model: entry for entry in entries.values()}
        self.access = access
        access.shares = partial(origins.is_shared, self)
        self.clock = clock
        self.journal = journal
        self.pages = pages
        self.enforce = enforce
        self.domain = domain
        self.verifier = Verifier()
        self.requests = Requests()
        self.randomness = Randomness()
        self.trail = Trail()
        self.usage = Usage()
        self.stopping = False
        self.epoch = 0
        self.closed: asyncio.Future[None] | None = None
        """While the region is being emptied: done when requests may come in again."""

    async def handle(self, request: Request) -> Response:
        """Answer one request, whatever happens: the handler that listeners are given."""
        if (
            request.path.startswith((b"/_awning/", b"/_localstack/", CERTIFICATES)) or request.path == b"/metrics"
        ) and not self.names_bucket(request):
            page = await self.pages.find(request)
            if page is not None:
                return page
        if self.closed is not None:
            await asyncio.shield(self.closed)
        exchange = Exchange(request, self.randomness.uuid(), self.clock.now(), self.epoch)
        try:
            reply = await self.answer(exchange)
        except ServiceError as error:
            reply = self.refuse(exchange, error)
        except Refused as error:
            reply = self.refuse(exchange, self.translate(exchange, error))
        except BodyError as error:
            reply = self.refuse(exchange, body_error(error))
        except StoreError as error:
            exchange.detail = f"store: {error}"
            reply = self.refuse(exchange, self.explain(exchange.request_id, error))
        except asyncio.CancelledError:
            exchange.let_go()
            raise
        except Exception as error:
            reply = self.refuse(exchange, self.explain(exchange.request_id, error))
        origin = request.headers.get(b"origin")
        if origin is not None:
            origins.share(self, exchange, reply.headers, origin)
        self.note(exchange, reply.status)
        if exchange.entry is not None and (watch := exchange.entry.room.watch) is not None:
            follow(self, exchange, exchange.entry.room, watch, reply)
        exchange.let_go()
        headers = reply.headers
        if request.method != "HEAD" and isinstance(reply.body, bytes | FileSlice):
            # The connection knows these lengths itself; checking ours against its own costs more than leaving it out.
            headers = [field for field in headers if field[0] != b"content-length"]
        return Response(reply.status, headers, reply.body)

    def explain(self, request_id: str, error: Exception) -> ServiceError:
        """What a client is told of an error that is none of the service's own; a fault of ours is logged."""
        if isinstance(error, StoreError):
            return ServiceUnavailable(f"The region could not store this: {error}")
        self.journal.failure(request_id, error)
        return InternalFailure(f"An internal error; the log has it as {request_id}.")

    def names_bucket(self, request: Request) -> bool:
        """Whether the Host names a bucket: then every path is a key of its own."""
        host = request.headers.get(b"host", b"localhost").decode("latin-1")
        return read_host(host, self.domain).named(request.headers, "", None) is not None

    async def answer(self, exchange: Exchange) -> Reply:
        """The stages, in their order."""
        if exchange.request.method == "OPTIONS":
            return origins.answer_preflight(self, exchange)
        self.address(exchange)
        if exchange.site is not None:
            return await sites.serve(self, exchange)
        if is_form(exchange):
            await take_in(exchange, self.access, self.signed_at, lambda refused: self.translate(exchange, refused))
        else:
            self.identify(exchange)
            await self.receive(exchange)
        if exchange.wire is not None and is_heavy(exchange.protocol, exchange.wire.body):
            await asyncio.get_running_loop().run_in_executor(None, self.understand, exchange)
        else:
            self.understand(exchange)
        if exchange.epoch != self.epoch:
            raise RegionReset
        if exchange.bound is not None and exchange.bound.operation.identify is not None:
            await self.recognise(exchange)
        self.authorise(exchange)
        entry, bound, call, params = exchange.needs()
        body = exchange.body
        if isinstance(body, PayloadBody) and body.is_small:
            await body.take()
        result = await entry.room.run(bound.operation, call, params)
        if call.adds is not None:
            result = {**(result or {}), **call.adds}
        reply = bound.wire.write(result if result is not None else {}, exchange.request_id, exchange.protocol)
        if isinstance(reply.body, EventBody):
            reply.body.explain = partial(self.explain, exchange.request_id)
        return reply if exchange.form is None else exchange.form.reply(reply, result["ETag"])

    def address(self, exchange: Exchange) -> None:
        """Find the room, the region, and the path as if the host were bare."""
        if self.stopping:
            raise ServiceUnavailable("The region is stopping.")
        request = exchange.request
        exchange.host = request.headers.get(b"host", b"localhost").decode("latin-1")
        host = read_host(exchange.host, self.domain)
        if host.site:
            exchange.site = host
        try:
            exchange.claims = claims = None if host.site else self.verifier.claims(request)
        except Refused:
            exchange.entry = self.likely_room(request, host.service)
            raise
        name = host.service
        if claims is not None:
            if name is None or not services.is_label(name):
                name = claims.service  # an unknown label is an account's, or what a client puts before any endpoint
                if origins.is_s3s_alone(request, services.format_of(name)):
                    name = "s3"  # whose own form tells that the scope is wrong
            exchange.region = claims.region or host.region or exchange.region
        elif host.region is not None:
            exchange.region = host.region
        if host.bucket is not None or host.point is not None:
            exchange.virtual_host = named = host.named(request.headers, exchange.region, claims)
            exchange.path = request.path if named is None else under(named, request.path)
            name = name if host.point is None or named is None else "s3"
        if name is None:
            exchange.guessed = True
            name = origins.unsigned_service(request, request.payload or b"")
        exchange.label = name
        exchange.entry = self.find_room(exchange, request.payload or b"")

    def likely_room(self, request: Request, label: str | None) -> Entry | None:
        """The room in whose form a request is refused whose signature names none: S3's, for what looks like no other's."""
        if label is None and protocol_of(request, None) == "rest-xml" and not services.is_dated(request.path):
            label = origins.unsigned_service(request, request.payload or b"")
        return self.models.get("s3") if label == "s3" else None

    def find_room(self, exchange: Exchange, body: bytes) -> Entry:
        """Find the room, by the name that was signed for (or the host's) and what tells services of one name apart."""
        request = exchange.request
        name = services.find(exchange.label, exchange.path, request.headers, request.query, body)
        entry = self.models.get(name)
        if entry is None:
            exchange.protocol = services.format_of(name)
            raise NotImplementedHere(f"The service {name} is not part of this region.")
        return entry

    def identify(self, exchange: Exchange) -> None:
        """Prove the signature; after this the principal is who signed, or anonymous where nothing was signed."""
        claims = exchange.claims
        request = exchange.request
        if claims is None:
            exchange.payload_rule = anonymous_rule(request.headers)
            return
        assert exchange.entry is not None
        credential = self.access.find(claims, request, exchange.entry.name)
        exchange.payload_rule = self.verifier.verify(
            claims,
            request,
            credential.secret,
            self.signed_at(exchange.now, claims),
            service=exchange.entry.signing,
            bucket=exchange.virtual_host,
        )
        check_credential(
            claims, exchange.now, active=credential.active, token=credential.token, expires=credential.expires
        )
        exchange.principal = credential.principal
        self.usage.note(
            credential.access_key_id,
            credential.principal,
            exchange.now,
            exchange.entry.signing,
            claims.region or "us-east-1",
        )

    def signed_at(self, now: float, claims: Claims) -> float:
        """The time by which a signature's date is judged, where the region's clock was moved.

        What is signed in the old way tells only when it ends, by its signer's clock: the real time decides."""
        clock = self.clock
        if claims.scheme == "v4-header":
            return clock.for_request(now, claims.timestamp)
        if claims.scheme.startswith("v2"):
            return now - clock.offset
        return clock.for_lifetime(now, claims.timestamp)

    async def receive(self, exchange: Exchange) -> None:
        """Match the operation, and read the body unless the operation streams it.

        A REST operation is known before its body; the others name theirs in it (query) or do not care.
        """
        request, entry = exchange.request, exchange.entry
        assert entry is not None
        model = entry.model
        if not model.rest:
            late = request.payload is None
            limit = LARGEST_DOCUMENT if exchange.claims is not None else LARGEST_UNSIGNED
            body = await request.read(limit)
            check_whole(self._rule(exchange), body)
            if is_compressed(request.headers):
                late = True
                body = await asyncio.get_running_loop().run_in_executor(None, decompress, body, limit)
            if late:  # only now is it known which version of an API a form means
                if exchange.guessed:
                    exchange.label = origins.unsigned_service(request, body)
                exchange.entry = entry = self.find_room(exchange, body)
                model = entry.model
            exchange.wire = wire = Wire(request.method, exchange.path, request.query, request.headers, body)
            if is_heavy(model.protocol(wire), body):
                exchange.match = await asyncio.get_running_loop().run_in_executor(None, model.match, wire)
            else:
                exchange.match = model.match(wire)
        else:
            wire = Wire(request.method, exchange.path, request.query, request.headers, b"")
            exchange.match = model.match(wire)
            body_reader = PayloadBody(request, self._rule(exchange), lambda refused: self.translate(exchange, refused))
            exchange.body = body_reader
            if not exchange.match.operation.has_streaming_input:
                document = await body_reader.read(LARGEST_DOCUMENT)
                wire = Wire(request.method, exchange.path, request.query, request.headers, document)
            exchange.wire = wire
        exchange.protocol = exchange.match.protocol

    def understand(self, exchange: Exchange) -> None:
        """Parse the parameters, and make the call."""
        entry, match, wire = exchange.entry, exchange.match, exchange.wire
        assert entry is not None
        assert match is not None
        assert wire is not None
        exchange.bound = bound = entry.bound(match.operation)
        if exchange.principal is ANONYMOUS and not bound.operation.anonymous:
            raise Refused(Reason.MISSING, "Request is missing Authentication Token", {})
        match.operation.refuse_events()
        exchange.params = bound.wire.parse(match, wire)
        exchange.call = call = entry.room.call(self.facts(exchange))
        call.body = exchange.body

    def facts(self, exchange: Exchange) -> Facts:
        """What a call is told of its request."""
        request = exchange.request
        scheme = "https" if request.endpoint.secure else "http"
        return Facts(
            request_id=exchange.request_id,
            principal=exchange.principal,
            account=exchange.principal.account or DEFAULT_ACCOUNT,
            region=exchange.region,
            base_url=f"{scheme}://{exchange.host}",
            host=exchange.host,
            source_ip=request.endpoint.peer_host,
            secure=request.endpoint.secure,
            protocol=exchange.protocol,
            virtual_host=exchange.virtual_host is not None,
            method=request.method,
            operation=exchange.bound.name if exchange.bound is not None else "",
            headers=request.headers if exchange.match is None else exchange.match.headers or request.headers,
            signed=exchange.claims.scheme if exchange.claims is not None else None,
            signed_at=exchange.claims.timestamp if exchange.claims is not None else None,
        )

    async def recognise(self, exchange: Exchange) -> None:
        """Have the operation prove by the request's own means who sends it; from here on the sender is nobody else."""
        _, bound, call, params = exchange.needs()
        assert bound.operation.identify is not None
        shown = await bound.operation.identify(call, params)
        exchange.principal = call.principal = call.facts.principal = shown.principal
        call.shown = shown.what
        if exchange.epoch != self.epoch:
            raise RegionReset

    def authorise(self, exchange: Exchange) -> None:
        """Decide each permission that the operation needs. Raises AccessDenied at the first that is not given."""
        entry, bound, call, params = exchange.needs()
        if entry.service.readdress is not None:
            entry.service.readdress(call, params)
        operation = bound.operation
        find_own = operation.context
        exchange.context = context = Context(
            exchange.request,
            exchange.principal,
            exchange.region,
            exchange.now,
            (lambda: find_own(call, params)) if find_own is not None else None,
            (lambda: request_tags(operation, call, params)) if operation.tags or operation.tag_keys else None,
            lambda arn: self.tags_of(call, arn),
        )

        def allowed(
            action: str, resource: str, further: dict[str, Any] | None = None, via: str | None = None
        ) -> Decision:
            within = context.plus(further or {}, via) if further or via else context
            return self.decide(exchange, action, resource, within)

        call.authorise = call.facts.authorise = allowed
        for need in operation.needs:
            resource = need.resource if isinstance(need.resource, str) else need.resource(call, params)
            if resource is None:
                continue
            decision = self.decide(exchange, need.action, resource, context)
            if not decision.allowed:
                text = decision.message(exchange.principal, need.action, resource)
                exchange.detail = (
                    f"{text} ({decision.reason}, policy {decision.policy}, statement {decision.statement})"
                )
                if call.room.service.encodes_denials:
                    text = self.encoded(exchange, decision, need.action, resource, text)
                raise AccessDenied(text)

    def encoded(self, exchange: Exchange, decision: Decision, action: str, resource: str, text: str) -> str:
        """A denial's text as services write it that tell why only to who may decode it."""
        call, context, principal = exchange.call, exchange.context, exchange.principal
        assert call is not None
        assert context is not None
        seal = call.room.vault.key(authorization_messages.PURPOSE)
        message = authorization_messages.encode(
            seal, decision, principal, principal.account, action, resource, context, call.now
        )
        return f"You are not authorized to perform this operation. {text}. Encoded authorization failure message: {message}"

    def decide(self, exchange: Exchange, action: str, resource: str, context: Context) -> Decision:
        """Decide one permission on one resource (an ARN), and leave it on the trail."""
        decision = self._decide(exchange, action, resource, context)
        self.trail.note(exchange.request_id, exchange.principal, action, resource, decision)
        return decision

    def _decide(self, exchange: Exchange, action: str, resource: str, context: Context) -> Decision:
        if not self.enforce and exchange.principal is not ANONYMOUS:
            return Decision(True, Why.NOT_ENFORCED, None, None, list)
        call = exchange.call
        assert call is not None
        asked = self.asked(call, action.partition(":")[0])
        guard = asked.guarded_by(resource)
        if guard is None:
            context.resource = resource
            account = resource.split(":", 5)[4] if resource.startswith("arn:") else ""
            context.resource_account = account or call.account
            return decide(
                exchange.principal,
                action,
                resource,
                context,
                guard_policy=None,
                resource_account=context.resource_account,
            )
        return decide_guarded(asked, exchange.principal, action, resource, context, guard)

    def asked(self, call: Call, service: str) -> Call:
        """The call, in the room of the service that has a say: where a room needs a permission of another's (a queue that is
        encrypted needs kms:Decrypt), the key's own policy decides, not the queue's."""
        entry = self.entries.get(service)
        return call if entry is None or entry.room is call.room else entry.room.call(call.facts)

    def tags_of(self, call: Call, arn: str) -> Mapping[str, str]:
        """The tags of the resource of an ARN, by the room whose it is, else by the call's own."""
        own = call.room.service.tags
        if own is not None:
            found = own(call, arn)
            if found:
                return found
        other = self.asked(call, arn.split(":", 3)[2] if arn.count(":") > 2 else "")
        tags = other.room.service.tags
        return {} if other is call or tags is None else tags(other, arn)

    def translate(self, exchange: Exchange, refused: Refused) -> ServiceError:
        """Give a refused signature the code that the client's protocol has for it."""
        style = self._style(exchange)
        code, status = code_for(refused.reason, style)
        text = text_for(refused, style)
        exchange.detail = f"{code} ({refused.reason}): {text}"
        members = {_MEMBERS[name]: value for name, value in refused.facts.items() if name in _MEMBERS}
        return NamedError(code, text, status, **members)

    def refuse(self, exchange: Exchange, error: ServiceError) -> Reply:
        """Write an error in the client's protocol."""
        exchange.error = error.code
        if exchange.detail is None and error.status >= 400:
            exchange.detail = f"{error.code}: {error.message}"
        if exchange.site is not None:
            return sites.show_error(exchange, error)
        entry = exchange.entry
        protocol = exchange.protocol or protocol_of(exchange.request, entry)
        return write_error(
            entry.model if entry is not None else None,
            protocol,
            error,
            exchange.request_id,
            resource=exchange.request.path.decode("latin-1"),
            operation=exchange.match.operation if exchange.match is not None else None,
            head=exchange.request.method == "HEAD",
        )

    def note(self, exchange: Exchange, status: int) -> None:
        """Count and log the request."""
        entry, bound = exchange.entry, exchange.bound
        seconds = monotonic() - exchange.request.received
        service = entry.name if entry is not None else "-"
        name = bound.name if bound is not None else exchange.match.operation.name if exchange.match is not None else "-"
        label = bound.label if bound is not None else f"{service}.{name}"
        if exchange.form is not None:
            name, label = exchange.form.name, exchange.form.label
        self.requests.add(service, name, status, seconds)
        self.journal.request(exchange.request_id, exchange.principal.account, label, status, seconds, exchange.detail)

    def _rule(self, exchange: Exchange) -> PayloadRule:
        assert exchange.payload_rule is not None
        return exchange.payload_rule

    def _style(self, exchange: Exchange) -> Style:
        protocol = exchange.protocol or protocol_of(exchange.request, exchange.entry)
        if protocol == "rest-xml" and exchange.entry is not None and exchange.entry.signing != "s3":
            return "query"
        return _STYLES.get(protocol, "s3")


def is_heavy(protocol: str, body: bytes) -> bool:
    """Whether parsing a body may hold the loop for milliseconds."""
    size = len(body)
    if size <= _INLINE["smithy-rpc-v2-cbor"]:
        return False
    if size > _INLINE.get(protocol, _INLINE_OTHERS):
        return True
    return protocol in ("query", "ec2") and body.count(b"&") > _INLINE_PARAMETERS


def protocol_of(request: Request, entry: Entry | None) -> str:
    """Guess a request's protocol before it has been matched, for the form of an error."""
    if entry is not None:
        return choose(entry.room.service.protocols, request.headers)
    if request.headers.get(b"smithy-protocol") == b"rpc-v2-cbor":
        return "smithy-rpc-v2-cbor"
    if b"x-amz-target" in request.headers or b"json" in request.headers.get(b"content-type", b""):
        return "json"
    return "query" if request.method == "POST" and b"Action=" in (request.payload or b"") else "rest-xml"
