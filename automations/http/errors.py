"""Why an exchange failed: libcurl's numbers, mapped once into a small tree; `automations.reasons` has it in words."""

import errno
from enum import StrEnum

import pycurl


class ErrorCode(StrEnum):
    """What stood in the way of a whole answer. The values are kept in the log and shown by the API."""

    ADDRESS_REFUSED = "address_refused"
    BAD_REQUEST = "bad_request"
    BAD_RESPONSE = "bad_response"
    CONNECT_FAILED = "connect_failed"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_CLOSED = "connection_closed"
    CONNECTION_RESET = "connection_reset"
    DNS_FAILED = "dns_failed"
    PROXY_FAILED = "proxy_failed"
    RESPONSE_TOO_LARGE = "response_too_large"
    SENDER_FAILED = "sender_failed"
    TIMEOUT = "timeout"
    TLS_FAILED = "tls_failed"
    TOKEN_FAILED = "token_failed"  # noqa: S105  # a code, not a password
    UNKNOWN = "unknown"


# libcurl's, for which pycurl has no name
PROXY = 97  # CURLE_PROXY
TOO_LARGE = 100  # CURLE_TOO_LARGE
CURL_ERRORS = {
    pycurl.E_ABORTED_BY_CALLBACK: ErrorCode.CONNECTION_CLOSED,  # the only one that aborts: Transfer._on_connected
    pycurl.E_BAD_CONTENT_ENCODING: ErrorCode.BAD_RESPONSE,
    pycurl.E_BAD_FUNCTION_ARGUMENT: ErrorCode.SENDER_FAILED,
    pycurl.E_COULDNT_CONNECT: ErrorCode.CONNECT_FAILED,
    pycurl.E_COULDNT_RESOLVE_HOST: ErrorCode.DNS_FAILED,
    pycurl.E_COULDNT_RESOLVE_PROXY: ErrorCode.PROXY_FAILED,
    pycurl.E_FAILED_INIT: ErrorCode.SENDER_FAILED,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: ErrorCode.BAD_RESPONSE,  # its name of old: now HTTP's broken headers too
    pycurl.E_GOT_NOTHING: ErrorCode.CONNECTION_CLOSED,
    pycurl.E_HTTP2: ErrorCode.BAD_RESPONSE,
    pycurl.E_HTTP_POST_ERROR: ErrorCode.SENDER_FAILED,
    pycurl.E_HTTP_RANGE_ERROR: ErrorCode.BAD_RESPONSE,
    pycurl.E_HTTP_RETURNED_ERROR: ErrorCode.BAD_RESPONSE,
    pycurl.E_INTERFACE_FAILED: ErrorCode.SENDER_FAILED,
    pycurl.E_NO_CONNECTION_AVAILABLE: ErrorCode.SENDER_FAILED,
    pycurl.E_NOT_BUILT_IN: ErrorCode.SENDER_FAILED,
    pycurl.E_OPERATION_TIMEDOUT: ErrorCode.TIMEOUT,
    pycurl.E_OUT_OF_MEMORY: ErrorCode.SENDER_FAILED,
    pycurl.E_PARTIAL_FILE: ErrorCode.CONNECTION_CLOSED,
    pycurl.E_PEER_FAILED_VERIFICATION: ErrorCode.TLS_FAILED,
    pycurl.E_READ_ERROR: ErrorCode.SENDER_FAILED,
    pycurl.E_RECV_ERROR: ErrorCode.BAD_RESPONSE,
    pycurl.E_SEND_ERROR: ErrorCode.CONNECTION_CLOSED,
    pycurl.E_SEND_FAIL_REWIND: ErrorCode.CONNECTION_CLOSED,
    pycurl.E_SSL_CACERT_BADFILE: ErrorCode.SENDER_FAILED,
    pycurl.E_SSL_CERTPROBLEM: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_CIPHER: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_CONNECT_ERROR: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_CRL_BADFILE: ErrorCode.SENDER_FAILED,
    pycurl.E_SSL_ENGINE_INITFAILED: ErrorCode.SENDER_FAILED,
    pycurl.E_SSL_ENGINE_NOTFOUND: ErrorCode.SENDER_FAILED,
    pycurl.E_SSL_ENGINE_SETFAILED: ErrorCode.SENDER_FAILED,
    pycurl.E_SSL_INVALIDCERTSTATUS: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_ISSUER_ERROR: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: ErrorCode.TLS_FAILED,
    pycurl.E_SSL_SHUTDOWN_FAILED: ErrorCode.TLS_FAILED,
    pycurl.E_TOO_MANY_REDIRECTS: ErrorCode.BAD_RESPONSE,
    pycurl.E_UNKNOWN_OPTION: ErrorCode.SENDER_FAILED,
    pycurl.E_UNSUPPORTED_PROTOCOL: ErrorCode.BAD_RESPONSE,  # what came back was not HTTP/1
    pycurl.E_URL_MALFORMAT: ErrorCode.BAD_REQUEST,
    pycurl.E_WRITE_ERROR: ErrorCode.RESPONSE_TOO_LARGE,  # our own callbacks stopped reading
    PROXY: ErrorCode.PROXY_FAILED,
    TOO_LARGE: ErrorCode.RESPONSE_TOO_LARGE,
}


def error_of(number: int, *, os_errno: int, connected: bool) -> ErrorCode:
    """The code for libcurl's `number`; `connected` when the connection stood, with TLS where that was asked for."""
    if number == pycurl.E_OPERATION_TIMEDOUT and not connected:
        return ErrorCode.CONNECT_TIMEOUT
    if number == pycurl.E_COULDNT_CONNECT and os_errno == errno.ECONNREFUSED:
        return ErrorCode.CONNECT_REFUSED
    if os_errno in {errno.ECONNRESET, errno.EPIPE} and number in {pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR}:
        return ErrorCode.CONNECTION_RESET
    return CURL_ERRORS.get(number, ErrorCode.UNKNOWN)
