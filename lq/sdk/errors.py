"""What a caller of LQ-SDK must expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """The api refused: `status` and `code` say why, `present` is the state of the object on a 409.

    `errors`: all that is wrong with a document, each with `field`, `code` and `message`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        present: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.present = present
        self.retry_after_s = retry_after_s
        self.errors = tuple(errors)


class ApiUnavailable(ApiError):
    """No answer came: nobody listens there, or it took too long. Status 0."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "unreachable", message)
