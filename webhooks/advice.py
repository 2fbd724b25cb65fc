"""What may help where a request was not applied: one sentence for each reason that the log can hold."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webhooks.models import InboundRequest

Reason = InboundRequest.Reason

_SENDER_SETTINGS = _("Change what the sender sends, or how; then have it send again.")

ADVICE: Mapping[str, Promise] = {
    Reason.METHOD: _("Have the sender use POST, or let the endpoint take GET requests too."),
    Reason.DISABLED: _("Switch the endpoint on; then have the sender send again."),
    Reason.SETTING_UP: _("Switch the endpoint on; then what came before can be applied."),
    Reason.ADDRESS: _("If it is your sender, add its address to the networks of the endpoint."),
    Reason.RATE: _(
        "Raise the endpoint’s limit, or have the sender send more slowly. Most senders try again."
    ),
    Reason.SIZE: _("Raise the endpoint’s largest body, or have the sender send less at once."),
    Reason.CONTENT_TYPE: _SENDER_SETTINGS,
    Reason.ORIGIN: _("If the page is yours, add its origin to the landing page’s settings of the endpoint."),
    Reason.SIGNATURE: _(
        "Compare the secret here with the sender’s, and its clock with ours. A new secret helps too."
    ),
    Reason.MALFORMED: _SENDER_SETTINGS,
    Reason.INVALID: _("Mend the mapping, or make what is missing here; then try again."),
    Reason.NO_MATCH: _("Make the deal, or let the endpoint make one where none matches; then try again."),
    Reason.STALE: _(
        "Nothing is to be done. If it is right all the same, try again after mending the mapping."
    ),
    Reason.NOT_WANTED: _("Nothing is to be done, unless the mapping’s condition is too narrow."),
    Reason.HONEYPOT: _("A program filled in the form. If people do so, choose another name for the field."),
    Reason.REVIEW: _("Choose the deal that is meant; then it is applied."),
    Reason.ERROR: _(
        "The server’s log has the cause. Once it is mended, try again; the sender need not send again."
    ),
}
