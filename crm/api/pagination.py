"""Lists in pages that go on from the last row shown, however many rows share its value and whatever is added meanwhile.

Written by hand because Django REST framework's own cursors repeat pages once a thousand rows share a value (deals
worth nothing do) and fail on columns that may be empty.
"""

from collections.abc import Sequence
from typing import Any

from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from crm.keyset import beyond

_SALT = "crm.api.cursor"


class StrictOrdering(OrderingFilter):
    """`?ordering=name` or `-name`: one field of those the view allows; any other is refused."""

    ordering_description = "The field to order by; with a leading - in descending order."

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        asked = request.query_params.get(self.ordering_param)
        if not asked:
            return tuple(self.get_default_ordering(view) or ("id",))
        allowed = [name for name, _label in self.get_valid_fields(queryset, view)]
        if asked.removeprefix("-") not in allowed:
            raise ValidationError({self.ordering_param: [_("Order by: %s.") % ", ".join(allowed)]})
        return (asked,)


class CursorPagination(BasePagination):
    """`{"next", "previous", "results"}`, where the links hold the place to go on from.

    Rows are ordered by one column, then by id. PostgreSQL takes an empty value for greater than any other, and so
    do we.
    """

    page_size = 50
    longest_page = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request, self.size = request, self._page_size(request)
        self.order = str((queryset.query.order_by or ["id"])[0])
        backwards, position = self._read_cursor(request)
        rows = self._from(queryset, backwards=backwards, position=position)[: self.size + 1]
        page = list(rows)
        more = len(page) > self.size
        page = page[: self.size]
        if backwards:
            page.reverse()
        self.page = page
        self.has_next = backwards or more
        self.has_previous = more if backwards else bool(position)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(backwards=False) if self.has_next else None,
                "previous": self._link(backwards=True) if self.has_previous else None,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": self.longest_page, "default": self.page_size}
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
            {"name": "page_size", "in": "query", "required": False, "schema": size},
        ]

    def _page_size(self, request: Request) -> int:
        asked = request.query_params.get("page_size", str(self.page_size))
        if not asked.isdecimal() or len(asked) > 9 or int(asked) == 0:
            raise ValidationError({"page_size": [_("A number from 1 to %d.") % self.longest_page]})
        return min(int(asked), self.longest_page)

    def _from(self, queryset: QuerySet[Any], *, backwards: bool, position: Sequence[Any]) -> QuerySet[Any]:
        name, descending = self.order.removeprefix("-"), self.order.startswith("-") != backwards
        sign = "-" if descending else ""
        if position:
            nullable = queryset.model._meta.get_field(name).null
            queryset = queryset.filter(beyond(name, *position, falling=descending, nullable=nullable))
        return queryset.order_by(f"{sign}{name}", f"{sign}pk")

    def _read_cursor(self, request: Request) -> tuple[bool, Sequence[Any]]:
        """Which way to go and from which value and id; signed, so that nothing else reaches the query."""
        cursor = request.query_params.get("cursor")
        if cursor is None:
            return False, ()
        try:
            order, backwards, *position = signing.loads(cursor, salt=_SALT, serializer=_CursorValues)
        except signing.BadSignature as error:
            raise NotFound(_("This page does not exist.")) from error
        if order != self.order:
            raise NotFound(_("This page belongs to a list in another order."))
        return backwards, position

    def _link(self, *, backwards: bool) -> str:
        url = self.request.build_absolute_uri()
        if not self.page:
            return remove_query_param(url, "cursor")
        row = self.page[0 if backwards else -1]
        value = getattr(row, self.order.removeprefix("-"))
        values = [self.order, backwards, value, row.pk]
        return replace_query_param(url, "cursor", signing.dumps(values, salt=_SALT, serializer=_CursorValues))


class _CursorValues(signing.JSONSerializer):
    def dumps(self, obj: Any) -> bytes:
        return DjangoMicroseconds(separators=(",", ":")).encode(obj).encode("latin-1")


class DjangoMicroseconds(DjangoJSONEncoder):
    """Django's encoder cuts times to milliseconds, with which a row would come before or after itself."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)
