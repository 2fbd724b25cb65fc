"""The CRM's tables, one file a subject. Other modules import them from here."""

from crm.models.activities import Activity, ActivityQuerySet, Call
from crm.models.alerts import Alert, AlertRule
from crm.models.changes import Change
from crm.models.contacts import Company, Contact
from crm.models.custom_fields import CustomField
from crm.models.deals import Deal, DealQuerySet, DealsGoThroughTheDoor
from crm.models.duplicates import DuplicateCompanies, DuplicateContacts
from crm.models.external_ids import ExternalId
from crm.models.files import DealFile
from crm.models.imports import Import, ImportJob, ImportRow
from crm.models.labels import LostReason, Source, Tag
from crm.models.logins import Invitation, LoginAttempt, TwoStep
from crm.models.notices import Notice
from crm.models.pipelines import Pipeline, Stage
from crm.models.products import DealLine, Period, Product
from crm.models.subscriptions import RenewalReminder, Subscription, SubscriptionQuerySet
from crm.models.tokens import ApiToken, IdempotentAnswer
from crm.models.users import Team, User
from crm.models.views import SavedView

__all__ = [
    "Activity",
    "ActivityQuerySet",
    "Alert",
    "AlertRule",
    "ApiToken",
    "Call",
    "Change",
    "Company",
    "Contact",
    "CustomField",
    "Deal",
    "DealFile",
    "DealLine",
    "DealQuerySet",
    "DealsGoThroughTheDoor",
    "DuplicateCompanies",
    "DuplicateContacts",
    "ExternalId",
    "IdempotentAnswer",
    "Import",
    "ImportJob",
    "ImportRow",
    "Invitation",
    "LoginAttempt",
    "LostReason",
    "Notice",
    "Period",
    "Pipeline",
    "Product",
    "RenewalReminder",
    "SavedView",
    "Source",
    "Stage",
    "Subscription",
    "SubscriptionQuerySet",
    "Tag",
    "Team",
    "TwoStep",
    "User",
]
