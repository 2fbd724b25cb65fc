"""The CRM application. Loading it puts the verbs of `crm.deals` behind `Deal.door`."""

from importlib import import_module

from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("crm.deals")
