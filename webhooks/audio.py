"""What kind of sound a file holds, judged by how it begins: what a server says of it proves nothing."""

from dataclasses import dataclass

BEGINNING = 64  # bytes that are enough to know


@dataclass(frozen=True, slots=True)
class Sound:
    media_type: str
    suffix: str


_PREFIXES = (
    (b"ID3", Sound("audio/mpeg", ".mp3")),
    (b"OggS", Sound("audio/ogg", ".ogg")),
    (b"fLaC", Sound("audio/flac", ".flac")),
    (b"#!AMR", Sound("audio/amr", ".amr")),
    (b".snd", Sound("audio/basic", ".au")),
    (b"\x1aE\xdf\xa3", Sound("audio/webm", ".webm")),
)


def sound_of(beginning: bytes) -> Sound | None:
    """The kind of sound that begins with these bytes (64, or the whole of a shorter file); None for anything else."""
    for prefix, sound in _PREFIXES:
        if beginning.startswith(prefix):
            return sound
    container, kind = beginning[:4], beginning[8:12]
    if container in {b"RIFF", b"RF64"} and kind == b"WAVE":
        return Sound("audio/wav", ".wav")
    if container == b"FORM" and kind in {b"AIFF", b"AIFC"}:
        return Sound("audio/aiff", ".aiff")
    if beginning[4:8] == b"ftyp":
        return Sound("audio/mp4", ".m4a")
    return _frame(beginning)


def _frame(beginning: bytes) -> Sound | None:
    """MPEG audio without any header of a file: eleven bits set, then version, layer, rate and frequency.

    Layer I, which nobody records in, is left out, because text in UTF-16 begins like it.
    """
    if len(beginning) < 4 or beginning[0] != 0xFF or beginning[1] & 0xE0 != 0xE0:
        return None
    version, layer = beginning[1] >> 3 & 3, beginning[1] >> 1 & 3
    if layer == 0:  # none in MPEG audio: AAC's frames set four more bits
        return Sound("audio/aac", ".aac") if beginning[1] & 0xF6 == 0xF0 else None
    rate, frequency = beginning[2] >> 4, beginning[2] >> 2 & 3
    return (
        Sound("audio/mpeg", ".mp3") if version != 1 and layer != 3 and rate != 15 and frequency != 3 else None
    )
