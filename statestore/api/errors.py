"""Which HTTP status each refusal has, and the one shape that all of them share."""

import json
import logging
import math
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework.exceptions import APIException, MethodNotAllowed, Throttled

from statestore import errors
from statestore.jsontext import MalformedJSON
from statestore.protocol import ErrorCode, InvalidInput

logger = logging.getLogger(__name__)

STATUS_OF: dict[ErrorCode, HTTPStatus] = {
    ErrorCode.NOT_AUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.HIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.MALFORMED_JSON: HTTPStatus.BAD_REQUEST,
    ErrorCode.MALFORMED_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.STALE_ATTEMPT: HTTPStatus.CONFLICT,
    ErrorCode.NOT_A_NUMBER: HTTPStatus.CONFLICT,
    ErrorCode.PRECONDITION_FAILED: HTTPStatus.PRECONDITION_FAILED,
    ErrorCode.TOO_LATE: HTTPStatus.REQUEST_TIMEOUT,
    ErrorCode.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def refusal(code: ErrorCode, detail: Any, **extra: Any) -> JsonResponse:
    """The answer that refuses a request."""
    return JsonResponse({"detail": detail, "code": code, **extra}, status=STATUS_OF[code])


def answer_exception(exc: Exception, context: dict[str, Any] | None = None) -> HttpResponse:
    """Django REST Framework's exception handler."""
    answer = _refused_by_us(exc) or _refused_by_framework(exc)
    if answer is None:
        logger.error("unexpected", exc_info=exc)
        answer = refusal(ErrorCode.INTERNAL, "An unexpected error: the server's log says more.")
    return answer


def _refused_by_us(exc: Exception) -> HttpResponse | None:
    match exc:
        case errors.InvalidInputError():
            return refusal(exc.code, [_problem(problem) for problem in exc.problems])
        case InvalidInput():
            return refusal(ErrorCode.INVALID, [_problem(exc)])
        case MalformedJSON():
            return refusal(ErrorCode.MALFORMED_JSON, str(exc))
        case errors.BatchError():
            return _batch_error(exc)
        case errors.StateStoreError():
            return _state_store_error(exc)
    return None


def _refused_by_framework(exc: Exception) -> HttpResponse | None:
    match exc:
        case Http404():
            return refusal(ErrorCode.NOT_FOUND, "There is nothing at this path.")
        case RequestDataTooBig():
            return refusal(ErrorCode.TOO_LARGE, "The body is too large.")
        case Throttled():
            return _later(
                refusal(ErrorCode.THROTTLED, "Too many requests: slow down."),
                getattr(exc, "wait", None) or 1,
            )
        case MethodNotAllowed():
            return refusal(ErrorCode.METHOD_NOT_ALLOWED, str(exc.detail))
        case APIException():
            return refusal(ErrorCode.MALFORMED_REQUEST, str(exc.detail))
        case OperationalError() | InterfaceError():
            logger.error("the database is away: %s", exc)
            away = "The database is busy or cannot be reached: try again."
            return _later(refusal(ErrorCode.UNAVAILABLE, away), 1)
    return None


def _later(answer: HttpResponse, seconds: float) -> HttpResponse:
    answer["Retry-After"] = str(math.ceil(seconds))
    return answer


def _problem(problem: InvalidInput) -> dict[str, Any]:
    return {"loc": list(problem.loc), "msg": problem.msg, "type": problem.type}


def _batch_error(exc: errors.BatchError) -> HttpResponse:
    """The refusal of one operation, with its place in the batch."""
    answer = answer_exception(exc.refusal)
    body = json.loads(answer.content)
    return JsonResponse({**body, "operation": exc.place}, status=answer.status_code)


def _state_store_error(exc: errors.StateStoreError) -> HttpResponse:
    answer = refusal(exc.code, exc.detail, **exc.extra)
    if exc.code is ErrorCode.NOT_AUTHENTICATED:
        answer["WWW-Authenticate"] = 'Bearer realm="statestore"'
    if exc.code is ErrorCode.UNAVAILABLE:
        _later(answer, 1)
    return answer
