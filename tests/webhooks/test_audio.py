"""Sound is known by how it begins."""

import pytest

from webhooks.audio import sound_of


@pytest.mark.parametrize(
    ("beginning", "media_type"),
    [
        (b"RIFF\x24\x08\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(60), "audio/mpeg"),
        (b"\xff\xf3\x40\xc0" + bytes(60), "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(60), "audio/aac"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"fLaC\x00", "audio/flac"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"#!AMR\n", "audio/amr"),
        (b"\x1aE\xdf\xa3\x01", "audio/webm"),
        (b"FORM\x00\x00\x00\x00AIFF", "audio/aiff"),
        (b".snd\x00", "audio/basic"),
    ],
)
def test_a_recording_is_known_by_its_beginning(beginning: bytes, media_type: str) -> None:
    sound = sound_of(beginning)
    assert sound is not None
    assert sound.media_type == media_type


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\xff",
        b"<!DOCTYPE html><html>",
        b'{"error": "not found"}',
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"GIF89a",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x24\x08\x00\x00WEBPVP8 ",
        b"\xff\xfe" + "<html>".encode("utf-16-le"),
        b"\xff\xfe" + "hello".encode("utf-16-le"),
        b"\xff\xff\xff\xff",
        bytes(64),
    ],
)
def test_anything_else_is_no_sound(beginning: bytes) -> None:
    assert sound_of(beginning) is None
