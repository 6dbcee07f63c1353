"""The one shape in which the api says no: `{"error": {"code", "message", "field", "present"?, "errors"?}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sanic.response import HTTPResponse, json


class Refusal(Exception):
    """Ends a request. `present` is the state of the object on a 409; `retry_after_s` stands on 429 and 503.

    `errors`: all that is wrong with a document, each `{"field", "code", "message"}`; `field` is the first one's.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        present: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.present = present
        self.retry_after_s = retry_after_s
        self.errors = tuple(errors)

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "field": self.field}
        if self.present is not None:
            error["present"] = dict(self.present)
        if self.errors:
            error["errors"] = [dict(each) for each in self.errors]
        return {"error": error}

    def response(self) -> HTTPResponse:
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return json(self.body(), status=self.status, headers=headers)


def not_found(what: str) -> Refusal:
    return Refusal(404, "not_found", f"there is no {what}")


def wrong(field: str, message: str) -> Refusal:
    """422: the request is understood, one field of it cannot be."""
    return Refusal(422, "invalid", message, field=field)


def malformed(field: str, message: str) -> Refusal:
    """400: a parameter that cannot even be read."""
    return Refusal(400, "malformed", message, field=field)


def live_away(reason: str) -> Refusal:
    return Refusal(503, "live_unavailable", f"the live state cannot be reached: {reason}", retry_after_s=1)


def history_away(reason: str) -> Refusal:
    return Refusal(503, "history_unavailable", f"the history cannot be reached: {reason}", retry_after_s=5)
