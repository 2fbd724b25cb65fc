"""What templates about sending need: sentences, and JSON for people."""

from django import template

from automations.explanations import describe_rule
from automations.forms.fields import wait_text

register = template.Library()

register.filter("sentence", describe_rule)
register.filter("wait", wait_text)
