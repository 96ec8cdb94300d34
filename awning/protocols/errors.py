"""The one error that a protocol writes. Everything a client is refused with is a ServiceError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ServiceError(Exception):
    """An error with an AWS code.

    A subclass's name is its code unless `code` says otherwise. Where the service's model has an error shape of that name,
    the shape's own wire code and HTTP status win over `status`. `members` are further modelled or documented members of
    the reply (`BucketName`, `CanonicalRequest`…). `headers` are further headers of the reply, names and values as bytes.
    """

    code: ClassVar[str] = ""
    status: int = 400
    headers: Sequence[tuple[bytes, bytes]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            cls.code = cls.__name__

    def __init__(self, message: str = "", **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class NamedError(ServiceError):
    """A ServiceError whose code is only known when it is raised."""

    def __init__(self, code: str, message: str = "", status: int = 400, **members: Any) -> None:
        super().__init__(message, **members)
        self.code = code  # type: ignore[misc]
        self.status = status
