"""Who is at work and in which language, for everything a request does; and what no path may hold."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.views.defaults import page_not_found
from psycopg.errors import ForeignKeyViolation

from crm.actors import Actor, acting_as

type_of_view = Callable[[HttpRequest], HttpResponse]


class NoNulMiddleware:
    """Takes a NUL in a path for a sign that cannot be read: PostgreSQL will not even compare with one."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.path_info = request.path_info.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return self.get_response(request)


class VanishedMiddleware:
    """Answers 404 where what a write refers to was deleted before the write was committed: the database tells last."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_gone = isinstance(exception.__cause__, ForeignKeyViolation)
        return page_not_found(request, exception) if is_gone else None


class ActorMiddleware:
    """Puts writes that name no actor (Django's admin) down to the person logged in."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        with acting_as(Actor.user(request.user)):
            return self.get_response(request)


class UserLocaleMiddleware:
    """Speaks the language and keeps the time zone that the person chose; otherwise what LocaleMiddleware found."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            return self.get_response(request)
        with translation.override(user.language or translation.get_language()):
            request.LANGUAGE_CODE = translation.get_language() or ""
            with timezone.override(ZoneInfo(user.time_zone) if user.time_zone else None):
                return self.get_response(request)
