"""AssumeRoleWithWebIdentity: a role's credentials for who shows a token of an issuer that the role's account trusts."""

from __future__ import annotations

from typing import Any, Final

from awning.auth.principal import federated
from awning.contracts import FindClient, FindOidcProvider, OidcProvider
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, Shown, operation
from awning.services.sts import trust, webtokens
from awning.services.sts.errors import InvalidIdentityToken
from awning.services.sts.memory import Memory
from awning.services.sts.shown import Proof, begin, conditions, identified_role, request_tags, tagged_role

_ACTION: Final = "sts:AssumeRoleWithWebIdentity"


async def identify(call: Call, params: Params) -> Shown:
    """Verify a token by its issuer's keys. Nothing but what it says itself decides which issuer and key that are.

    Raises InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError, ValidationError.
    """
    account = trust.role_arn(call, params).split(":", 5)[4]
    token = webtokens.read_token(params["web_identity_token"])
    provider: OidcProvider | None = call.ask(FindOidcProvider(account, token.issuer))
    if provider is None:
        raise InvalidIdentityToken(f"No OpenIDConnect provider found in your account for {token.issuer}")
    audience = webtokens.check_claims(token, provider.clients, call.now)
    memory: Memory = call.memory
    keys = await memory.issuers.keys(call.ask(FindClient()), provider, token.key_id, call.now)
    key = webtokens.choose_key(token, keys)
    if key is None:
        raise InvalidIdentityToken(
            "Couldn't retrieve verification key from your identity provider, please reference "
            "AssumeRoleWithWebIdentity documentation for requirements"
        )
    webtokens.verify(token, key)
    tags, transitive = webtokens.tags_of(token)
    facts = webtokens.facts_of(token, provider.name, audience)
    principal = federated(provider.arn, facts, token.subject)
    shown = {"SubjectFromWebIdentityToken": token.subject, "Provider": provider.arn, "Audience": audience}
    return Shown(principal, Proof(shown, tags, transitive, webtokens.source_identity_of(token)))


@operation(
    Needs(_ACTION, trust.role_arn),
    Needs("sts:TagSession", tagged_role),
    Needs("sts:SetSourceIdentity", identified_role),
    honours={"policy_arns": ALL},
    anonymous=True,
    identify=identify,
    context=conditions,
    tags=request_tags,
)
def assume_role_with_web_identity(
    call: Call,
    role_arn: str,
    role_session_name: str,
    web_identity_token: str,
    policy_arns: list[dict[str, str]] | None = None,
    policy: str | None = None,
    duration_seconds: int = 3600,
) -> dict[str, Any]:
    """Begin a session of a role for the bearer of a token. Nobody signs the request; the role's trust policy decides.

    Raises AccessDenied, ValidationError, InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    return begin(call, _ACTION, role_arn, role_session_name, duration_seconds, policy, policy_arns or ())
