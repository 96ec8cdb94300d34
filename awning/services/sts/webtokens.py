"""The tokens of OpenID Connect issuers: what they claim, and whether a key signed them. Pure: no clock, no socket, no database.

Signatures are PyJWT's to verify; a key says itself which algorithms it is for, so that no token chooses a weaker one.
Sources: OpenID Connect Core 1.0, RFC 7515, 7517 and 7519, "Pass session tags using AssumeRoleWithWebIdentity" (IAM user guide).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from awning.services.sts.errors import ExpiredTokenException, InvalidIdentityToken

SKEW: Final = 300.0
"""Seconds by which an issuer's clock may be ahead of ours."""

_ALGORITHMS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
}
_ALL: Final = frozenset(name for names in _ALGORITHMS.values() for name in names)
_PUBLIC: Final = ("kty", "n", "e", "crv", "x", "y")
_RSA_BITS: Final = (2048, 8192)
_TAGS: Final = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY: Final = "https://aws.amazon.com/source_identity"
_KEYS: Final = ("amr", "email", "sub")
"""Claims that are condition keys by their own names; aud and azp are treated apart."""

Key = Mapping[str, Any]
"""A JSON Web Key as its issuer publishes it."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says, not yet proven. `audiences` as the token lists them."""

    algorithm: str
    key_id: str | None
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    party: str | None
    claims: Mapping[str, Any]
    text: str = field(repr=False)


def read_token(text: str) -> Token:
    """Take a token apart. Raises InvalidIdentityToken where it is none, or lacks what every token must have."""
    from jwt import PyJWS, PyJWTError  # loaded when it is first needed: most regions never see a token

    try:
        parts = PyJWS().decode_complete(text, options={"verify_signature": False})
        claims = orjson.loads(parts["payload"])
    except (PyJWTError, ValueError, RecursionError):
        raise _no_token() from None
    header = parts["header"]
    if (
        not isinstance(claims, dict)
        or not isinstance(header.get("alg"), str)
        or "crit" in header
        or header.get("b64", True) is not True
    ):
        raise _no_token()
    for name in ("iss", "sub", "aud", "exp", "iat"):
        if name not in claims:
            raise InvalidIdentityToken(f"Missing a required claim: {name}")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party, key_id = claims.get("azp"), header.get("kid")
    texts = [claims["iss"], claims["sub"], *audiences, *(one for one in (party, key_id) if one is not None)]
    moments = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    if (
        not audiences
        or not all(isinstance(one, str) and one for one in texts)
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in moments)
    ):
        raise _no_token()
    return Token(header["alg"], key_id, claims["iss"], claims["sub"], tuple(audiences), party, claims, text)


def check_claims(token: Token, clients: Sequence[str], now: float) -> str:
    """Check when and for whom a token is; return the audience that the account takes.

    Where it names an authorised party (azp), that is the one. Raises InvalidIdentityToken, ExpiredTokenException.
    """
    if token.algorithm not in _ALL:
        raise InvalidIdentityToken(f"The algorithm {token.algorithm} is not one that tokens may be signed by.")
    expires = token.claims["exp"]
    if now >= expires:
        raise ExpiredTokenException(
            f"Token expired: current date/time {int(now)} must be before the expiration date/time {int(expires)}"
        )
    if max(token.claims["iat"], token.claims.get("nbf", 0)) > now + SKEW:
        raise InvalidIdentityToken("The token was issued in the future, or is not valid yet.")
    named = token.audiences if token.party is None else (token.party,)
    audience = next((one for one in named if one in clients), None)
    if audience is None:
        raise InvalidIdentityToken("Incorrect token audience")
    return audience


def choose_key(token: Token, keys: Sequence[Key]) -> Key | None:
    """The key by which a token says that it is signed; where it names none, the only one that may have signed it."""
    fit = [
        key for key in keys if _fits(key, token) and (token.key_id is None or key.get("kid") == token.key_id)
    ]  # fmt: skip
    return fit[0] if len(fit) == 1 else None


def verify(token: Token, key: Key) -> None:
    """Raise InvalidIdentityToken unless this key signed the token, by an algorithm that it is for."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt import PyJWK, PyJWS, PyJWTError

    try:
        public = PyJWK({name: key[name] for name in _PUBLIC if name in key}, algorithm=token.algorithm).key
        if isinstance(public, RSAPublicKey) and not _RSA_BITS[0] <= public.key_size <= _RSA_BITS[1]:
            raise InvalidIdentityToken("The issuer's RSA key must have 2048 to 8192 bits.")
        PyJWS().decode_complete(token.text, public, algorithms=[token.algorithm])
    except (PyJWTError, ValueError, TypeError):
        raise InvalidIdentityToken("Token signature invalid") from None


def facts_of(token: Token, name: str, audience: str) -> dict[str, Any]:
    """The condition keys that a token gives, by its issuer's name ("accounts.example.com:sub"), in lower case."""
    facts: dict[str, Any] = {"aud": audience if token.party is not None else list(token.audiences)}
    if token.party is not None:
        facts["azp"] = token.party
        facts["oaud"] = list(token.audiences)
    for claim in _KEYS:
        value = token.claims.get(claim)
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            facts[claim] = value
    return {f"{name}:{key}".lower(): value for key, value in facts.items()}


def tags_of(token: Token) -> tuple[list[tuple[str, str]], list[str]]:
    """The session tags that a token brings, and the keys of those that are transitive. Raises InvalidIdentityToken."""
    nested = token.claims.get(_TAGS, {})
    if not isinstance(nested, dict):
        raise InvalidIdentityToken(f"The claim {_TAGS} is no object.")
    tags = nested.get("principal_tags", token.claims.get(f"{_TAGS}/principal_tags", {}))
    transitive = nested.get("transitive_tag_keys", token.claims.get(f"{_TAGS}/transitive_tag_keys", []))
    if not isinstance(tags, dict) or not isinstance(transitive, list):
        raise InvalidIdentityToken(f"The claim {_TAGS} has principal_tags as an object, transitive_tag_keys as a list.")
    found = []
    for key, value in tags.items():
        values = value if isinstance(value, list) else [value]
        if len(values) != 1 or not isinstance(values[0], str):
            raise InvalidIdentityToken(f"The session tag {key!r} must have one value, a text.")
        found.append((key, values[0]))
    if not all(isinstance(one, str) for one in transitive):
        raise InvalidIdentityToken("Keys of transitive tags are texts.")
    return found, transitive


def source_identity_of(token: Token) -> str | None:
    """The source identity that a token sets. Raises InvalidIdentityToken."""
    found = token.claims.get(_SOURCE_IDENTITY)
    if found is not None and not isinstance(found, str):
        raise InvalidIdentityToken("The source identity must be a text.")
    return found


def usable_keys(document: Any, most: int = 100) -> list[Key]:
    """The keys of a JSON Web Key Set by which tokens may be signed. Raises ValueError where it is no such set."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > most:
        raise ValueError("no set of keys, or one of too many")
    return [key for key in keys if isinstance(key, dict) and key.get("use") in (None, "sig") and _kinds(key)]


def _kinds(key: Key) -> tuple[str, ...]:
    kty, curve = key.get("kty"), key.get("crv", "")
    if not isinstance(kty, str) or not isinstance(curve, str):
        return ()
    return _ALGORITHMS.get((kty, "" if kty == "RSA" else curve), ())


def _fits(key: Key, token: Token) -> bool:
    return token.algorithm in _kinds(key) and key.get("alg") in (None, token.algorithm)


def _no_token() -> InvalidIdentityToken:
    return InvalidIdentityToken(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    )
