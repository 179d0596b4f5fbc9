"""A network's fingerprint: a digest of its fields that blanks, comments and spelling do not change."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, MutableSequence
from typing import Any

from prototxt_gen.proto import _F, NetParameter


def fingerprint(net: NetParameter) -> str:
    """A digest of the network: sha256 over every set field but weights, as names and values.

    Order of fields, spelling of numbers, blanks and comments do not change it; any value does, and so does setting
    a field to its default, because tools downstream of Caffe read files as they are written.
    """
    digest = hashlib.sha256()
    for piece in _canonical(net):
        digest.update(piece.encode())
    return digest.hexdigest()


def _canonical(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name == "blobs":
            continue
        # FieldDescriptor.is_repeated came with protobuf 6.31.
        values = value if isinstance(value, MutableSequence) else [value]
        for item in values:
            yield f"{field.name}="
            if field.message_type is not None:
                yield "{"
                yield from _canonical(item)
                yield "}"
            elif field.type == _F.TYPE_FLOAT:
                yield struct.pack("<f", item).hex()
            elif isinstance(item, bytes):
                yield item.hex()
            else:
                yield repr(item)
            yield ";"
