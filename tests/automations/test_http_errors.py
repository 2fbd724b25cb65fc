import errno

import pycurl

from automations.http import ErrorCode
from automations.http.errors import CURL_ERRORS, error_of

# Of other protocols, of answers we do not wait for, or of the multi interface itself.
NOT_OURS = (
    *(
        "FTP",
        "LDAP",
        "TFTP",
        "TELNET",
        "RTSP",
        "SSH",
        "CHUNK",
        "QUOTE",
        "FILE_COULDNT_READ_FILE",
        "LOGIN_DENIED",
    ),
    *("REMOTE", "USE_SSL_FAILED", "UPLOAD_FAILED", "BAD_DOWNLOAD_RESUME", "RANGE_ERROR", "FILESIZE_EXCEEDED"),
    *(
        "MULTI",
        "CALL_MULTI",
        "AGAIN",
        "SHARE_IN_USE",
        "BAD_PASSWORD_ENTERED",
        "MALFORMAT_USER",
        "CONV",
        "FUNCTION_NOT_FOUND",
    ),
    *(
        "LIBRARY_NOT_FOUND",
        "BAD_CALLING_ORDER",
        "ALREADY_COMPLETE",
        "HTTP_PORT_FAILED",
        "UNKNOWN_TELNET",
        "OK",
    ),
)


def test_every_error_that_a_call_can_end_with_has_a_code() -> None:
    numbers = {name[2:]: number for name, number in vars(pycurl).items() if name.startswith("E_")}
    unmapped = {
        name
        for name, number in numbers.items()
        if number not in CURL_ERRORS and not name.startswith(NOT_OURS)
    }
    assert unmapped == set()
    assert ErrorCode.UNKNOWN not in CURL_ERRORS.values()


def test_an_error_of_a_later_libcurl_is_unknown() -> None:
    assert error_of(12345, os_errno=0, connected=False) == ErrorCode.UNKNOWN


def test_what_the_system_says_makes_an_error_more_exact() -> None:
    def code(number: int, os_errno: int) -> ErrorCode:
        return error_of(number, os_errno=os_errno, connected=True)

    assert code(pycurl.E_COULDNT_CONNECT, errno.ECONNREFUSED) == ErrorCode.CONNECT_REFUSED
    assert code(pycurl.E_COULDNT_CONNECT, errno.ENETUNREACH) == ErrorCode.CONNECT_FAILED
    assert code(pycurl.E_RECV_ERROR, errno.ECONNRESET) == ErrorCode.CONNECTION_RESET
    assert code(pycurl.E_RECV_ERROR, 0) == ErrorCode.BAD_RESPONSE
