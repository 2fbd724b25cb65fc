"""What lists of deals can be narrowed by: the filters of the pages (`crm.filters`), and names in other systems."""

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from crm.filters import FILTERS, DealFilters, read_filters
from crm.models import ExternalId, User

_EXTERNAL = {"external_system": "system", "external_id": "value"}


class DealFilter(BaseFilterBackend):
    """`external_system` and `external_id` together mean one name in one system."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filters = _read(request.query_params, request.user)
        deals = filters.narrow(queryset, now=timezone.now())  # type: ignore[arg-type]  # the view's deals
        asked = {column: request.query_params.get(name, "") for name, column in _EXTERNAL.items()}
        given = {column: text for column, text in asked.items() if text}
        if not given:
            return deals
        known = ExternalId.objects.filter(deal__isnull=False, **given)
        return deals.filter(pk__in=known.order_by().values("deal"))

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        names = [each.name for each in FILTERS] + list(_EXTERNAL)
        many = {each.name for each in FILTERS if each.many}
        text = {"type": "string"}
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": {"type": "array", "items": text} if name in many else text,
            }
            for name in names
        ]


def _read(query: QueryDict, user: Any) -> DealFilters:
    filters = read_filters(query, user=user if isinstance(user, User) else None)
    problems = dict(filters.problems)
    for name in _EXTERNAL:
        if "\0" in query.get(name, ""):
            problems[name] = "\0"
    if problems:
        raise ValidationError({name: [problem] for name, problem in problems.items()})
    return filters
