"""Rows that stay, unseen, after they were deleted."""

from typing import TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


class KeptQuerySet(models.QuerySet[Row]):
    """Rows that are marked when deleted, since the log goes on showing them."""

    def present(self) -> "KeptQuerySet[Row]":
        return self.filter(deleted_at__isnull=True)
