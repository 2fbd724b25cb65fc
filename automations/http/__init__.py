"""The one door through which requests leave; this is its interface, the files beside it are its inside."""

from automations.http.door import HttpDoor, send
from automations.http.errors import ErrorCode
from automations.http.exchanges import Exchange, Grant, Request

__all__ = ["ErrorCode", "Exchange", "Grant", "HttpDoor", "Request", "send"]
