"""An attempt as a curl command, for trying it out in a terminal. Secrets stay masked."""

import shlex

from automations.models import Attempt, Delivery


def as_curl(delivery: Delivery, attempt: Attempt) -> str:
    lines = [f"curl -X {delivery.destination.method} --globoff {shlex.quote(attempt.url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in attempt.request_headers]
    lines.append(f"--data-binary {shlex.quote(bytes(delivery.body).decode())}")
    return " \\\n  ".join(lines)
