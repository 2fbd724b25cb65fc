"""The viewset that every resource is made of."""

from functools import cached_property
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import Model
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import mixins, viewsets
from rest_framework.filters import SearchFilter
from rest_framework.serializers import BaseSerializer

from crm.actors import Actor
from crm.api.idempotency import IdempotentPosts
from crm.api.pagination import StrictOrdering
from crm.api.permissions import Everybody
from crm.models import ApiToken, User

_Row = TypeVar("_Row", bound=Model)


class Resource(IdempotentPosts, viewsets.GenericViewSet[_Row]):
    """Reads nothing and writes nothing by itself; see ReadOnlyResource and WritableResource.

    `user` is who asks, `actor` who writes are put down to. `ordering` is the order of lists and `ordering_fields`
    what `?ordering=` may name; one column each.
    """

    permission_classes = [Everybody]
    filter_backends = [DjangoFilterBackend, SearchFilter, StrictOrdering]
    lookup_value_regex = r"[0-9]+"
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    ordering_fields: ClassVar[tuple[str, ...]] = ("id",)

    @property
    def user(self) -> User:
        user = self.request.user
        if not isinstance(user, User):  # the permissions have let nobody else in
            raise TypeError(user)
        return user

    @cached_property
    def actor(self) -> Actor:
        token = self.request.auth
        return Actor.token(token) if isinstance(token, ApiToken) else Actor.user(self.user)


class ReadOnlyResource(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource[_Row]):
    """Lists and single rows."""


class WritableResource(
    mixins.CreateModelMixin, mixins.UpdateModelMixin, mixins.DestroyModelMixin, ReadOnlyResource[_Row]
):
    """All of it; each write is one transaction. There is no PUT: PATCH changes what it names."""

    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save()

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save()

    @transaction.atomic
    def perform_destroy(self, instance: _Row) -> None:
        instance.delete()
