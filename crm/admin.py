"""Django's admin: a look at every table, for administrators. Deals are written through the door here too."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from crm.actors import current_actor
from crm.calls import create_call, update_call
from crm.contacts import (
    create_company,
    create_contact,
    delete_company,
    delete_contact,
    update_company,
    update_contact,
)
from crm.custom_field_deletion import delete_custom_field
from crm.models import (
    Activity,
    ApiToken,
    Call,
    Change,
    Company,
    Contact,
    CustomField,
    Deal,
    LostReason,
    Pipeline,
    Source,
    Stage,
    Subscription,
    Tag,
    Team,
    User,
)
from crm.refusals import Refused
from crm.stage_forms import StageForm
from crm.users import delete_user, update_user

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Stage, Pipeline]
    _UserAdmin = UserAdmin[User]
else:
    _ModelAdmin, _TabularInline, _UserAdmin = admin.ModelAdmin, admin.TabularInline, UserAdmin


class _ReadOnly(_ModelAdmin):
    """Rows that are evidence."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # as above
        return False


class _ThroughADoor(_ModelAdmin):
    """A refused write is a message on the page it came from."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:
            return self._told(request, refused)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except Refused as refused:
            return self._told(request, refused)

    def _told(self, request: HttpRequest, refused: Refused) -> HttpResponse:
        messages.error(request, str(refused))
        return redirect(request.get_full_path())


@admin.register(Deal)
class DealAdmin(_ThroughADoor):
    list_display = ("title", "pipeline", "stage", "status", "value", "currency", "owner")
    list_filter = ("status", "pipeline", "stage", "owner")
    search_fields = ("title", "contact__name", "company__name")
    autocomplete_fields = ("contact", "company", "owner")
    list_select_related = ("pipeline", "stage", "owner")
    exclude = ("tags",)  # the form would set them behind the door's back
    readonly_fields = ("pipeline", "version", "stage_entered_at", "closed_at", "created_at", "updated_at")


class StageInline(_TabularInline):
    """Stages end on their page in the settings, which says where deals and rules go."""

    can_delete = False
    model = Stage
    form = StageForm
    extra = 0


@admin.register(Pipeline)
class PipelineAdmin(_ModelAdmin):
    list_display = ("name", "position", "archived")
    inlines = (StageInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # Django's signature
        """Through the API alone, or archived in the settings: here rules would be in the way, or go unseen."""
        return False


class _PartyAdmin(_ThroughADoor):
    """What is written here leaves history, like anywhere else. `doors` create, update and delete."""

    doors: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]
    id_name: str

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:  # Django's signature
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if "custom_fields" in fields:  # the door merges, and here one sees all of them
            removed = dict.fromkeys(form.initial.get("custom_fields") or {})
            fields["custom_fields"] = {**removed, **(fields["custom_fields"] or {})}
        create, update, _delete = self.doors
        if change:
            update(**{self.id_name: obj.pk}, actor=current_actor(), fields=fields)
        else:
            obj.pk = create(actor=current_actor(), fields=fields).pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.doors[-1](**{self.id_name: obj.pk}, actor=current_actor())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for party in queryset:
            self.delete_model(request, party)


@admin.register(Contact)
class ContactAdmin(_PartyAdmin):
    doors = (create_contact, update_contact, delete_contact)
    id_name = "contact_id"
    exclude = ("tags",)  # the form would set them behind the door's back
    list_display = ("name", "emails", "phones", "company")
    list_select_related = ("company",)
    search_fields = ("name", "emails", "phones")
    autocomplete_fields = ("company",)


@admin.register(Company)
class CompanyAdmin(_PartyAdmin):
    doors = (create_company, update_company, delete_company)
    id_name = "company_id"
    list_display = ("name", "domain", "tax_id")
    search_fields = ("name", "domain", "tax_id")


@admin.register(User)
class PersonAdmin(_ThroughADoor, _UserAdmin):
    list_display = ("email", "name", "role", "team", "is_active")
    list_filter = ("role", "team", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login",)
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (
            None,
            {
                "fields": (
                    "name",
                    "role",
                    "team",
                    "language",
                    "time_zone",
                    "call_url",
                    "is_active",
                    "last_login",
                )
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "role", "team", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Through the door, which keeps the last administrator."""
        if change:
            update_user(user_id=obj.pk, fields={name: form.cleaned_data[name] for name in form.changed_data})
        else:
            obj.save()

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_user(user_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            delete_user(user_id=user.pk)


@admin.register(Change)
class ChangeAdmin(_ReadOnly):
    list_display = ("at", "entity", "object_id", "verb", "field", "actor_kind", "actor_name")
    list_filter = ("entity", "verb", "actor_kind")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # as above
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(_ReadOnly):
    """Tokens are made by the API and the command, which show them once; here they are seen and revoked."""

    list_display = ("name", "owner", "scopes", "last_used_at", "expires_at")
    exclude = ("digest",)


@admin.register(Activity)
class ActivityAdmin(_ModelAdmin):
    list_display = ("subject", "kind", "deal", "contact", "due_at", "done_at", "assignee")
    list_select_related = ("deal", "contact", "assignee")
    search_fields = ("subject", "body")
    raw_id_fields = ("deal", "contact")


@admin.register(Call)
class CallAdmin(_ModelAdmin):
    formfield_overrides = {URLField: {"assume_scheme": "https"}}  # Django's own default from 6.0 on
    list_display = ("from_number", "to_number", "direction", "started_at", "status", "deal")
    list_select_related = ("deal",)
    search_fields = ("from_number", "to_number", "external_id")
    raw_id_fields = ("deal", "contact")
    readonly_fields = ("system", "recording_state", "recording_file")

    def save_model(
        self, request: HttpRequest, obj: Call, form: Any, change: bool
    ) -> None:  # Django's signature
        """Through the door, and only what was changed: a report may have come in meanwhile."""
        fields, actor = (
            {name: form.cleaned_data[name] for name in form.changed_data},
            current_actor(),
        )
        saved = (
            update_call(call_id=obj.pk, fields=fields, actor=actor)
            if change
            else create_call(fields=fields, actor=actor)
        )
        obj.pk = saved.pk


@admin.register(Subscription)
class SubscriptionAdmin(_ModelAdmin):
    list_display = ("plan", "status", "amount", "currency", "renews_on", "company")
    list_select_related = ("company",)
    search_fields = ("plan", "external_id")
    raw_id_fields = ("deal", "company")


@admin.register(CustomField)
class CustomFieldAdmin(_ModelAdmin):
    list_display = ("label", "entity", "key", "type", "required")
    list_filter = ("entity",)

    def delete_model(self, request: HttpRequest, obj: CustomField) -> None:
        delete_custom_field(field=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CustomField]) -> None:
        for field in queryset:
            delete_custom_field(field=field)


@admin.register(Tag, Source, LostReason, Team)
class NameAdmin(_ModelAdmin):
    search_fields = ("name",)
