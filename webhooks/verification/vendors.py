"""Systems that sign in a way of their own, each after its vendor's documentation."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from webhooks.verification.recipes import Recipe, follows
from webhooks.verification.schemes import Scheme, Signed, no_options, their_secret


def _scheme(recipe: Recipe) -> Scheme:
    def verify(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
        return follows(signed, recipe, secret)

    return Scheme(verify, no_options, secrets.token_urlsafe, their_secret)


GITHUB = _scheme(Recipe(header="X-Hub-Signature-256", prefix="sha256="))
# Meta's products sign as GitHub does; the key is the app's secret.
META = _scheme(Recipe(header="X-Hub-Signature-256", prefix="sha256="))
STRIPE = _scheme(
    Recipe(header="Stripe-Signature", template="{timestamp}.{body}", signature_part="v1", timestamp_part="t")
)
SHOPIFY = _scheme(Recipe(header="X-Shopify-Hmac-Sha256", encoding="base64"))
WOOCOMMERCE = _scheme(Recipe(header="X-WC-Webhook-Signature", encoding="base64"))
TYPEFORM = _scheme(Recipe(header="Typeform-Signature", prefix="sha256=", encoding="base64"))
SLACK = _scheme(
    Recipe(
        header="X-Slack-Signature",
        prefix="v0=",
        template="v0:{timestamp}:{body}",
        timestamp_header="X-Slack-Request-Timestamp",
    )
)

# ---- HubSpot, version 3: the URL is signed too, with some of its characters decoded ----

_HUBSPOT = Recipe(
    header="X-HubSpot-Signature-v3",
    encoding="base64",
    template="{method}{url}{body}{timestamp}",
    timestamp_header="X-HubSpot-Request-Timestamp",
)
_HUBSPOT_DECODES = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def _verify_hubspot(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
    decoded = _HUBSPOT_DECODES.sub(lambda escape: unquote(escape[0]), signed.url)
    return any(follows(replace(signed, url=url), _HUBSPOT, secret) for url in {signed.url, decoded})


HUBSPOT = Scheme(_verify_hubspot, no_options, secrets.token_urlsafe, their_secret)
