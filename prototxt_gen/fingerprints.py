"""A network's fingerprint: a digest of its fields, the same whatever blanks, comments and spelling a file has."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from prototxt_gen.proto import Message, NetParameter, set_fields


def fingerprint(net: NetParameter) -> str:
    """A digest of the network: sha256 over every set field but weights, as names and values.

    Order of fields, spelling of numbers, blanks and comments do not change it; any value does, and so does setting
    a field to its default, because tools downstream of Caffe read files as they are written.
    """
    digest = hashlib.sha256()
    for piece in _canonical(net):
        digest.update(piece.encode())
    return digest.hexdigest()


def _canonical(message: Message) -> Iterator[str]:
    for field, value in set_fields(message):
        if field.name == "blobs":
            continue
        for item in value if field.repeated else [value]:
            yield f"{field.name}="
            if field.message is not None:
                yield "{"
                yield from _canonical(item)
                yield "}"
            elif field.kind == "float":
                yield struct.pack("<f", item).hex()
            elif isinstance(item, bytes):
                yield item.hex()
            else:
                yield repr(item)
            yield ";"
