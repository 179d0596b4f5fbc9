"""The .caffemodel, Caffe's binary file: layers' names and blobs, and nothing else of it.

Forks of Caffe use the same field numbers for different things (148 is a Clip here and an Interp there), so the
structure comes from the prototxt, and the one in this file is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from converters.weights.blobs import Array, blob_length, blob_pieces, expect, read_blob
from prototxt_gen import wire
from prototxt_gen.binary import Numbers, check_numbers, layer_bytes, to_binary
from prototxt_gen.files import replacing
from prototxt_gen.proto import LayerParameter, NetParameter, fields_of, to_bytes
from prototxt_gen.wire import BYTES, VARINT, Reader, reading

# NetParameter's fields and their wire types: what tells a network from another message.
_NET = {1: BYTES, 2: BYTES, 3: BYTES, 5: VARINT, 6: BYTES, 7: VARINT, 8: BYTES, 100: BYTES}
_NET_NAME, _NET_LAYERS, _NET_LAYER = 1, 2, 100
# Where a layer keeps its name and its blobs: today, in V1, and in V0, which is field 1 of V1.
_LAYER, _V1, _V0 = (1, 7), (4, 6), (1, 50)
_V1_LAYER = 1


def read_caffemodel(path: str | os.PathLike[str]) -> dict[str, list[Array]]:
    """Every layer's blobs by its name, from `layer`, V1 `layers` or V0 `layers { layer }`.

    Arrays keep the shapes of the file, in V0 and V1 files four sizes each (see `blobs.fit`). Layers without blobs are
    left out. Of two layers of one name the later counts, as it overwrites the earlier in Caffe; in a file with both
    `layer` and `layers` only `layers` count (Caffe: Net::CopyTrainedLayersFrom, UpgradeV1Net). The numbers are read
    from the file straight into the arrays, so memory is that of the weights alone, for files of any size.
    """
    with reading(path) as reader:
        current: dict[str, list[Array]] = {}
        old: dict[str, list[Array]] = {}
        layers = old_layers = 0
        for number, kind, value in reader.fields(reader.size):
            if number in _NET:
                expect(reader, kind, _NET[number], f"not a network: field {number} of a NetParameter")
            if number == _NET_LAYER:
                name, blobs = _read_layer(reader, reader.at + value, _LAYER, f"layer {layers}")
                layers += 1
                if blobs:
                    current[name] = blobs
            elif number == _NET_LAYERS:
                name, blobs = _read_layer(reader, reader.at + value, _V1, f"layer {old_layers}")
                old_layers += 1
                if blobs:
                    old[name] = blobs
        return old if old_layers else current


def _read_layer(reader: Reader, end: int, where: tuple[int, int], label: str) -> tuple[str, list[Array]]:
    name_field, blobs_field = where
    name = ""
    blobs: list[Array] = []
    nested: tuple[str, list[Array]] | None = None
    for number, kind, value in reader.fields(end):
        if number == name_field:
            expect(reader, kind, BYTES, f"{label}: name")
            name = reader.text(value)
            label = f"layer {name!r}"
        elif number == blobs_field:
            expect(reader, kind, BYTES, f"{label}: blobs")
            blobs.append(read_blob(reader, reader.at + value, f"{label}: blob {len(blobs)}"))
        elif number == _V1_LAYER and where == _V1:
            expect(reader, kind, BYTES, f"{label}: layer")
            nested = _read_layer(reader, reader.at + value, _V0, label)
    return nested or (name, blobs)


def write_caffemodel(
    weights: Mapping[str, Sequence[Array]],
    path: str | os.PathLike[str],
    net: NetParameter | None = None,
    numbers: Numbers | None = None,
) -> None:
    """Writes checked float32 arrays in one step, blob by blob, without a second copy and of any size.

    With `net` the file holds its layers in its order, each with its blobs, as Caffe writes them; without it, names
    and blobs alone, which is all that Caffe looks at when it loads weights. `numbers` as in `to_binary`.
    """
    if net is not None and numbers is not None:
        check_numbers(net, numbers)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(_pieces(weights, net, numbers))


def _pieces(
    weights: Mapping[str, Sequence[Array]], net: NetParameter | None, numbers: Numbers | None
) -> Iterator[bytes | memoryview]:
    if net is None:
        yield wire.field(_NET_NAME, b"")  # a name without any layer is a network too
        for name, blobs in weights.items():
            yield from _layer_pieces(wire.field(1, name.encode()), b"", blobs)
        return
    outside = NetParameter()
    outside.CopyFrom(net)
    outside.ClearField("layer")
    yield to_binary(outside)
    for layer in net.layer:
        before, after = _around_blobs(layer, numbers)
        yield from _layer_pieces(before, after, weights.get(layer.name, ()))


def _around_blobs(layer: LayerParameter, numbers: Numbers | None) -> tuple[bytes, bytes]:
    """What Caffe writes of a layer before its blobs and after them: fields are in the order of their numbers."""
    before, after = LayerParameter(), LayerParameter()
    before.CopyFrom(layer)
    after.CopyFrom(layer)
    for field in fields_of(LayerParameter).values():
        for part, wanted in ((before, field.number < _LAYER[1]), (after, field.number > _LAYER[1])):
            if not wanted:
                part.ClearField(field.name)
    before.DiscardUnknownFields()
    return to_bytes(before), layer_bytes(after, numbers)


def _layer_pieces(before: bytes, after: bytes, blobs: Sequence[Array]) -> Iterator[bytes | memoryview]:
    lengths = [blob_length(blob.shape) for blob in blobs]
    heads = [wire.head(_LAYER[1], length) for length in lengths]
    yield wire.head(_NET_LAYER, len(before) + sum(map(len, heads)) + sum(lengths) + len(after))
    yield before
    for head, blob in zip(heads, blobs, strict=True):
        yield head
        yield from blob_pieces(blob)
    yield after
