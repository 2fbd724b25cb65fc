"""Identifiers that outsiders see as text and that sort by the time they were made."""

import secrets
import time


def time_ordered_id(prefix: str) -> str:
    """`prefix`, an underscore and 32 hexadecimal digits: 48 bits of Unix milliseconds, then 80 random bits."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
