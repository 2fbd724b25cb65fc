"""What a body says, as a JSON-like value, whatever form it came in.

Told when the request arrives, so that a malformed body is refused, and again from the stored bytes whenever the
request is applied: those are the only truth that is kept.
"""

from webhooks.bodies.errors import Malformed
from webhooks.bodies.forms import FORM_TYPE
from webhooks.bodies.parsing import is_readable, parse_body, without_file_contents

__all__ = ["FORM_TYPE", "Malformed", "is_readable", "parse_body", "without_file_contents"]
