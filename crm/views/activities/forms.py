"""The forms of activities: what narrows their lists, one activity in its dialog, and the day it is put off to."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db.models import Q
from django.db.models.lookups import Contains
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.activities import EARLIEST, LATEST
from crm.agenda import midnight, moved_to, next_monday
from crm.filters.conditions import Asker, says
from crm.folding import Folded, fold
from crm.ids import read_id
from crm.models import Activity, ActivityQuerySet, Contact, Deal, User
from crm.refusals import InvalidFields, Refused
from crm.views.fields import DayField
from crm.views.versions import Versions, readable, written

EVERYBODY, ME, NOBODY = "all", "me", "none"


class ActivityFilter(forms.Form):
    """Kept in the address bar. What cannot be read narrows nothing."""

    q = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": gettext_lazy("Activity, deal or contact")}
        ),
    )
    owner = forms.ChoiceField(label=gettext_lazy("Owner"), required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=[("", gettext_lazy("All kinds")), *Activity.Kind.choices],
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[
            ("", pgettext_lazy("activities", "Planned")),
            ("overdue", pgettext_lazy("activities", "Overdue")),
            ("done", pgettext_lazy("activities", "Done")),
            ("all", gettext_lazy("Planned and done")),
        ],
    )
    sort = forms.ChoiceField(
        label=gettext_lazy("Order"),
        required=False,
        choices=[
            ("due", gettext_lazy("Soonest first")),
            ("-due", gettext_lazy("Latest first")),
            ("-created", gettext_lazy("Newest first")),
            ("-done", gettext_lazy("Done last first")),
        ],
    )
    due_after = DayField(label=gettext_lazy("Due from"), required=False)
    due_before = DayField(
        label=gettext_lazy("until"), required=False, validators=[MaxValueValidator(LATEST.date())]
    )

    def __init__(self, given: Mapping[str, Any], *, owner: str, state: str | None = None) -> None:
        """`owner` is whose are shown where the address names nobody; `state` one that cannot be chosen."""
        super().__init__({"owner": owner, **given}, auto_id="filter-%s")
        people = [(str(row.pk), str(row)) for row in User.objects.filter(is_active=True)]
        fixed = [(EVERYBODY, _("All owners")), (ME, _("Me")), (NOBODY, _("Nobody"))]
        self.fields["owner"].choices = fixed + people  # type: ignore[attr-defined]  # a choice field
        self.fixed_state = state
        if state is not None:
            del self.fields["state"]
        self.is_valid()

    def narrow(self, rows: ActivityQuerySet, *, user: User, now: datetime) -> ActivityQuerySet:
        said = self.cleaned_data
        rows = _of_owner(rows, said.get("owner", EVERYBODY), user=user)
        rows = _in_state(rows, self.shown_state, now=now)
        if said.get("kind"):
            rows = rows.filter(kind=said["kind"])
        if said.get("due_after"):
            rows = rows.filter(due_at__gte=midnight(said["due_after"]))
        if said.get("due_before"):
            rows = rows.filter(due_at__lt=midnight(said["due_before"] + timedelta(days=1)))
        return _saying(rows, said["q"], now=now) if said.get("q") else rows

    @property
    def shown_state(self) -> str:
        return str(self.cleaned_data.get("state", "") if self.fixed_state is None else self.fixed_state)

    @property
    def by(self) -> str:
        """The column to order by, `-` for falling."""
        chosen = self.cleaned_data.get("sort") or ("-done" if self.shown_state == "done" else "due")
        return f"{chosen}_at"

    @property
    def query(self) -> str:
        """The same choice as a query string that needs no page to be understood."""
        said = {**self.cleaned_data, "state": self.shown_state}
        return urlencode({name: value for name, value in said.items() if value not in (None, "")})

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.get(name) for name in ("q", "kind", "due_after", "due_before"))


def _of_owner(rows: ActivityQuerySet, owner: str, *, user: User) -> ActivityQuerySet:
    if owner == EVERYBODY or not owner:
        return rows
    if owner == NOBODY:
        return rows.filter(assignee=None)
    return rows.filter(assignee=user.pk if owner == ME else int(owner))


def _in_state(rows: ActivityQuerySet, state: str, *, now: datetime) -> ActivityQuerySet:
    if state == "all":
        return rows
    if state == "done":
        return rows.filter(done_at__isnull=False)
    return rows.overdue(now=now) if state == "overdue" else rows.planned()


def _saying(rows: ActivityQuerySet, text: str, *, now: datetime) -> ActivityQuerySet:
    """Each word stands in the subject or in what search knows of the contact, or all in the deal."""
    ids, subject, contact = Activity.objects.order_by().values("pk"), Q(), Q()
    for word in fold(text).split():
        subject &= Q(Contains(Folded("subject"), word))
        contact &= Q(words__contains=word)
    deals = Deal.objects.filter(says([text], Asker(user=None, now=now))).order_by().values("pk")
    contacts = Contact.objects.filter(contact).order_by().values("pk")
    found = ids.filter(subject).union(ids.filter(deal__in=deals), ids.filter(contact__in=contacts))
    return rows.filter(pk__in=found)


class AboutInput(forms.TextInput):
    """A text input that offers deals and contacts, and beside it the name of the chosen one: `deal:7`, `contact:3`.

    Its value is that name with the text that is shown.
    """

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        named, text = value or ("", "")
        listbox = f"{(attrs or {}).get('id', name)}-list"
        combobox = {
            "role": "combobox",
            "aria-autocomplete": "list",
            "aria-expanded": "false",
            "aria-controls": listbox,
            "autocomplete": "off",
            "data-about": reverse_lazy("activity-about"),
            "placeholder": _("Type a title, a name or a company…"),
        }
        box = super().render(f"{name}_text", text, {**(attrs or {}), **combobox}, renderer)
        return format_html(
            '<div class="about">{}<input type="hidden" name="{}" value="{}">'
            '<div id="{}" class="about-list" role="listbox" aria-label="{}" hidden></div></div>',
            *(box, name, named, listbox, _("Deals and contacts")),
        )

    def format_value(self, value: Any) -> Any:
        return value[0] if isinstance(value, tuple) else super().format_value(value)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> tuple[str, str]:
        return data.get(name, ""), data.get(f"{name}_text", "")


class AboutField(forms.Field):
    """A deal that the reader may see, or a contact. Whose eyes it looks through is set by the form (`user`)."""

    widget = AboutInput
    user: User

    def to_python(self, value: Any) -> Deal | Contact | None:
        kind, _colon, number = (value[0] if value else "").partition(":")
        if kind not in {"deal", "contact"}:
            return None
        if kind == "deal":
            return Deal.objects.visible_to(self.user).filter(pk=read_id(number) or 0).first()
        return Contact.objects.filter(pk=read_id(number) or 0).first()

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValidationError(_("Choose a deal or a contact from the list."), code="required")

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Deal | Contact):
            return f"{value._meta.model_name}:{value.pk}", str(value)
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


_REMINDERS = [
    ("", gettext_lazy("No reminder")),
    ("0", gettext_lazy("When it is due")),
    ("10", gettext_lazy("10 minutes before")),
    ("30", gettext_lazy("30 minutes before")),
    ("60", gettext_lazy("1 hour before")),
    ("1440", gettext_lazy("1 day before")),
]


class ActivityForm(forms.Form):
    """One activity, in its dialog.

    It is sent with what each field said when the dialog showed it (`was_…`). What somebody else has changed since is
    taken over, and what both have changed is one of the `conflicts`. Whoever keeps theirs sends along what they were
    shown of the other's; for the fields named in `theirs` the other's is taken.
    """

    subject = forms.CharField(
        label=gettext_lazy("What is to be done?"),
        max_length=200,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )
    about = AboutField(label=gettext_lazy("Deal or contact"))
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Activity.Kind.choices)
    due_on = DayField(label=gettext_lazy("Day"), required=False)
    due_time = forms.TimeField(
        label=gettext_lazy("Time"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    reminder = forms.TypedChoiceField(
        label=gettext_lazy("Reminder"), required=False, choices=_REMINDERS, coerce=int, empty_value=None
    )
    assignee = forms.ModelChoiceField(
        User.objects.none(), label=gettext_lazy("Owner"), required=False, empty_label=gettext_lazy("Nobody")
    )
    body = forms.CharField(
        label=gettext_lazy("Details"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, activity: Activity, *, user: User, data: Any = None) -> None:
        super().__init__(data, initial=_initial(activity), auto_id="activity-%s")
        self.fields["about"].user = user  # type: ignore[attr-defined]  # an AboutField
        people = User.objects.filter(Q(is_active=True) | Q(pk=activity.assignee_id))
        self.fields["assignee"].queryset = people  # type: ignore[attr-defined]  # a model's choice field
        kinds = [each for each in Activity.Kind if each in (activity.kind, *_PLANNED)]
        self.fields["kind"].choices = [(each.value, each.label) for each in kinds]  # type: ignore[attr-defined]
        minutes = "" if activity.reminder is None else str(activity.reminder)
        if minutes not in dict(_REMINDERS):
            label = _("%(minutes)s minutes before") % {"minutes": minutes}
            self.fields["reminder"].choices = [*_REMINDERS, (minutes, label)]  # type: ignore[attr-defined]
        self.conflicts = self._catch_up() if self.is_bound and activity.pk else []

    @property
    def seen(self) -> dict[str, str]:
        """What the fields say now, by the names under which the page sends it back."""
        return {f"was_{name}": self._said(name) for name in self.fields}

    def _said(self, name: str) -> str:
        field = self.fields[name]
        return _plain(written(field, field.prepare_value(self.get_initial_for_field(field, name))))

    def _catch_up(self) -> list[tuple[forms.BoundField, Versions]]:
        """Take over what this person has not changed, and return what two have changed, each in their own way."""
        chosen = str(self.data.get("theirs", "")).split()
        taken: dict[str, str] = {}
        conflicts = []
        for names in _VALUES:
            was, theirs, yours = zip(*map(self._texts, names), strict=True)
            if yours == was or set(names).intersection(chosen):
                taken |= {name: self._said(name) for name in names}
            elif theirs not in (was, yours):
                conflicts += [(self[name], self._versions(name)) for name in names]
        if "about" in taken:
            taken["about_text"] = str(self.initial["about"] or "")
        self.data = {**dict(self.data.items()), **taken}
        return conflicts

    def _texts(self, name: str) -> tuple[str, str, str]:
        """What a field was, what it says now and what was sent of it."""
        now, field = self._said(name), self.fields[name]
        sent = written(field, field.widget.value_from_datadict(self.data, self.files, name))
        return _plain(str(self.data.get(f"was_{name}", now))), now, _plain(sent)

    def _versions(self, name: str) -> Versions:
        field = self.fields[name]
        if isinstance(field, AboutField):
            return Versions(*(str(field.to_python((text, "")) or "—") for text in self._texts(name)))
        return Versions(*(readable(field, text) for text in self._texts(name)))

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        if said.get("due_on") and said.get("due_time") is None and "due_time" not in self.errors:
            self.add_error("due_time", _("Give a time too."))
        if said.get("due_time") is not None and not said.get("due_on") and "due_on" not in self.errors:
            self.add_error("due_on", _("Give a day too."))
        return said

    def clean_due_on(self) -> date | None:
        day: date | None = self.cleaned_data["due_on"]
        if day and not EARLIEST.date() < day < LATEST.date():
            raise ValidationError(_("Not a time between 1970 and 2200."))
        return day

    def for_the_door(self) -> dict[str, Any]:
        """What was filled in, as `crm.activities` takes it."""
        said = self.cleaned_data
        about, day, at = said["about"], said["due_on"], said["due_time"]
        return {
            "subject": said["subject"],
            "deal": about if isinstance(about, Deal) else None,
            "contact": about if isinstance(about, Contact) else None,
            "kind": said["kind"],
            "due_at": timezone.make_aware(datetime.combine(day, at)) if day else None,
            "reminder": said["reminder"],
            "assignee": said["assignee"],
            "body": said["body"],
        }

    def refuse(self, refused: Refused) -> None:
        """The door's objections, beside the fields they belong to."""
        if not isinstance(refused, InvalidFields):
            self.add_error(None, str(refused))
            return
        for name, messages in refused.errors.items():
            self.add_error(_FIELDS.get(name, name), messages)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


# Fields that are one value belong together.
_VALUES = (
    ("subject",),
    ("about",),
    ("due_on", "due_time"),
    ("kind",),
    ("reminder",),
    ("assignee",),
    ("body",),
)
_PLANNED = (Activity.Kind.TASK, Activity.Kind.MEETING, Activity.Kind.EMAIL)
_FIELDS = {"due_at": "due_on", "deal": "about", "contact": "about"}


def _initial(activity: Activity) -> dict[str, Any]:
    due_at = timezone.localtime(activity.due_at) if activity.due_at else None
    return {
        "subject": activity.subject,
        "about": activity.deal or activity.contact,
        "kind": activity.kind,
        "due_on": due_at and due_at.date(),
        "due_time": due_at and due_at.time(),
        "reminder": activity.reminder,
        "assignee": activity.assignee_id,
        "body": activity.body,
    }


class MoveForm(forms.Form):
    """`to` is `tomorrow`, `next_week` (Monday), a day, a moment, or nothing for "some day"."""

    to = forms.CharField(required=False)

    def due_at(self, activity: Activity, *, today: date) -> datetime | None:
        """When the activity is due from now on; a day keeps its time of day. Raises InvalidFields."""
        to = str(self["to"].data or "").strip()
        try:
            return _moment(to, activity, today=today)
        except (ValueError, OverflowError) as error:
            raise InvalidFields({"due_at": [_("“%(day)s” is no day.") % {"day": to[:40]}]}) from error


def _moment(to: str, activity: Activity, *, today: date) -> datetime | None:
    named = {"tomorrow": today + timedelta(days=1), "next_week": next_monday(today)}
    if not to:
        return None
    if to in named or len(to) == len("2026-11-24"):
        day = named.get(to) or date.fromisoformat(to)
        if not EARLIEST.date() < day < LATEST.date():
            raise ValueError(to)
        return moved_to(day, due_at=activity.due_at)
    at = parse_datetime(to)
    if at is None:
        raise ValueError(to)
    return at if timezone.is_aware(at) else timezone.make_aware(at)
