"""Why something was not sent or not taken, and what to do about it: one table for all codes that the log can hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automations.http import ErrorCode
from automations.leases import INTERRUPTED

# What a template or a message takes: text in the language of whoever reads it.
Text = Promise | str


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence that says what happened, and what may help."""

    sentence: Text
    advice: Text


_ASK_OPERATOR = _("Ask whoever runs Stagehook to look into the worker's log.")
_LOOK_FOR_LOOP = _("Look which rules and systems answer each other. If this event was meant, send it again.")
_SAYS_WHY = _("The receiver's answer may say why. Once that is mended, send it again.")
_CHECK_SECRETS = _("Check the destination's authentication, and that the receiver knows the signing secret.")

# Of an attempt: no answer, or not a whole one.
ERRORS: Mapping[str, Reason] = {
    ErrorCode.ADDRESS_REFUSED: Reason(
        _("The URL leads to an address that may not be called."),
        _("If this system really stands in your own network, add the network to ALLOWED_PRIVATE_NETWORKS."),
    ),
    ErrorCode.BAD_REQUEST: Reason(
        _("The request could not be built: its method or one of its headers is not valid."),
        _("Look through the destination's headers."),
    ),
    ErrorCode.BAD_RESPONSE: Reason(
        _("The receiver's answer was not valid HTTP."),
        _(
            "Check that a web server answers at this host and port, and that the URL begins with the right scheme."
        ),
    ),
    ErrorCode.CONNECT_FAILED: Reason(
        _("The receiver could not be reached."),
        _("Check that the receiver is running and can be reached from the network Stagehook runs in."),
    ),
    ErrorCode.CONNECT_REFUSED: Reason(
        _("The receiver's machine refused the connection: nothing listens on that port."),
        _("Check that the receiver is running and the port in the URL is right."),
    ),
    ErrorCode.CONNECT_TIMEOUT: Reason(
        _("The receiver did not accept the connection in time."),
        _("Check the receiver's firewall and the port in the URL."),
    ),
    ErrorCode.CONNECTION_CLOSED: Reason(
        _("The receiver closed the connection before its answer was complete."),
        _("The receiver's own log may say what broke there. It may have taken the request all the same."),
    ),
    ErrorCode.CONNECTION_RESET: Reason(
        _("The receiver broke the connection off."),
        _("Look into the log of the receiver, and of a firewall or proxy in front of it."),
    ),
    ErrorCode.DNS_FAILED: Reason(
        _("No address was found for the host name."), _("Check the host name in the destination's URL.")
    ),
    ErrorCode.PROXY_FAILED: Reason(
        _("The outgoing proxy did not let the request through."),
        _("Ask whoever runs Stagehook to look at the outgoing proxy."),
    ),
    ErrorCode.RESPONSE_TOO_LARGE: Reason(
        _("The headers of the receiver's answer were too large."),
        _("The receiver has to answer with fewer or shorter headers, 32 KiB at most."),
    ),
    ErrorCode.SENDER_FAILED: Reason(
        _("Stagehook itself could not make the call; its log says more."), _ASK_OPERATOR
    ),
    ErrorCode.TIMEOUT: Reason(
        _("The receiver did not answer completely in time."),
        _("A receiver should answer first and do its work afterwards; else give it a longer time limit."),
    ),
    ErrorCode.TLS_FAILED: Reason(
        _("No secure connection: the receiver's certificate or TLS version was not accepted."),
        _("The receiver needs a valid certificate for this host name, complete with its intermediates."),
    ),
    ErrorCode.TOKEN_FAILED: Reason(
        _("The token server gave no token for the request."),
        _("Check the token URL, the client id and the secret in the destination."),
    ),
    ErrorCode.UNKNOWN: Reason(_("The call failed for a reason that is not known."), _ASK_OPERATOR),
    INTERRUPTED: Reason(
        _("The worker ended during the request; whether it arrived is not known."),
        _("A receiver that had it knows it by its webhook-id, so that sending it again does no harm."),
    ),
}

# Of a delivery: what ended it other than its attempts.
ENDINGS: Mapping[str, Reason] = {
    "aborted_by_receiver": Reason(
        _("Given up because the receiver asked for that in its answer."), _SAYS_WHY
    ),
    "by_hand": Reason(_("It was cancelled by hand."), _("If it is wanted after all, send it again.")),
    "held_too_long": Reason(
        _("Given up after it had been held for 14 days."),
        _("Switch the destination on again once the receiver is well, and recover what was given up."),
    ),
    "rule_deleted": Reason(
        _("It was cancelled because its rule was deleted."), _("If it is wanted after all, send it again.")
    ),
    "destination_deleted": Reason(
        _("It was cancelled because its destination was deleted."),
        _("Nothing can be sent there any more. Later events need a new destination and a rule for it."),
    ),
    "silent_mode": Reason(
        _("Nothing was sent: this installation is in silent mode."),
        _("Ask whoever runs Stagehook whether SILENT_MODE is still wanted; without it, send it again."),
    ),
    "left_stage": Reason(
        _("Nothing was sent: when the waiting was over, the deal had left the stage."),
        _("The rule says what happens then. If the receiver needs this event all the same, send it again."),
    ),
    "undone": Reason(
        _("Nothing was sent: the move was undone while its rule still held it back."),
        _("There is nothing to do: for the receiver nothing has happened."),
    ),
    "chain_repeated": Reason(
        _("Nothing was sent: the rule had already acted on this deal in the same run of cause and effect."),
        _LOOK_FOR_LOOP,
    ),
    "chain_too_deep": Reason(
        _("Nothing was sent: this run of cause and effect has been through other systems too often."),
        _LOOK_FOR_LOOP,
    ),
    "too_many_changes": Reason(
        _("Nothing was sent: programs moved this deal too often in ten minutes, which looks like a loop."),
        _LOOK_FOR_LOOP,
    ),
    "payload_failed": Reason(
        _("Nothing was sent: the rule's payload could not be built for this deal."),
        _("Open the rule, try its payload with this deal and correct it. Later events are sent then."),
    ),
    "payload_too_large": Reason(
        _("Nothing was sent: the payload was larger than 256 KiB."),
        _("Give the rule a payload of its own that holds only what the receiver needs."),
    ),
}

# Of an answer whose status is no 2xx: what its status suggests.
ANSWERS: Mapping[int, Text] = {
    400: _("The receiver does not understand the request; its answer may say why."),
    401: _CHECK_SECRETS,
    403: _CHECK_SECRETS,
    404: _("Check the path in the destination's URL."),
    405: _("The receiver wants another method; change it in the destination."),
    410: _("The destination was disabled. Switch it on again once the receiver has a new address."),
    413: _("Give the rule a payload of its own that holds only what the receiver needs."),
    415: _(
        "The receiver does not take this kind of body at this address; change its form in the destination."
    ),
    429: _("The receiver is too busy: lower the requests at a time in the destination."),
}
_REDIRECT = _("Put the address it redirects to into the destination's URL.")
_RECEIVERS_FAULT = _("The fault is the receiver's. Once it is mended, send again what was given up.")


def error_reason(code: str) -> Reason:
    """Also for a code that an older or newer version wrote into the log."""
    return ERRORS.get(code) or ERRORS[ErrorCode.UNKNOWN]


def answer_advice(status: int) -> Text:
    """What may help after an answer; empty for one that is well."""
    if status >= 500:
        return _RECEIVERS_FAULT
    if status >= 400:
        return ANSWERS.get(status, _SAYS_WHY)
    return _REDIRECT if status >= 300 else ""
