"""The end of a custom field: its values go with it, and no stage asks for it any more."""

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from crm.models import Company, Contact, CustomField, Deal, Stage
from crm.models.deals import open_door

_MODELS: dict[str, type[Deal | Contact | Company]] = {
    CustomField.Entity.DEAL: Deal,
    CustomField.Entity.CONTACT: Contact,
    CustomField.Entity.COMPANY: Company,
}


def rows_with_value(field: CustomField) -> QuerySet[Deal] | QuerySet[Contact] | QuerySet[Company]:
    return _MODELS[field.entity].objects.filter(custom_fields__has_key=field.key)


@transaction.atomic
def delete_custom_field(*, field: CustomField) -> int:
    """Delete a field and its values; returns how many rows had one.

    No event and no history: no deal was worked on, the organisation gave up the field.
    """
    without = RawSQL("custom_fields - %s", [field.key])  # the key is a parameter
    with open_door():
        count = rows_with_value(field).update(custom_fields=without)
    name = f"custom_fields.{field.key}"
    if field.entity == CustomField.Entity.DEAL:
        for stage in Stage.objects.filter(required_fields__contains=name).select_for_update():
            stage.required_fields = [kept for kept in stage.required_fields if kept != name]
            stage.save(update_fields=["required_fields"])
    field.delete()
    return count
