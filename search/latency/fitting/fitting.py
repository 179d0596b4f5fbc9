"""The table of a device that times only whole networks: what is asked of the times, and what is told of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import CaffeError, UnsupportedError
from prototxt_gen.generator.parts import Part, parts
from search.latency.agreement import agreement
from search.latency.curves import Curve
from search.latency.fitting.estimates import Estimates
from search.latency.fitting.regression import Layout, Regression, regress
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from search.spaces import Space

Floats = NDArray[np.float64]
Shape = Sequence[int] | None
#: What is fitted: times in ms, or energies in mJ.
Unit: TypeAlias = Literal["ms", "mj"]
_WORDS = {"ms": "times", "mj": "energies"}
_SIGNS = {"ms": "ms", "mj": "mJ"}

#: A table whose mean error in cross-validation is above this share is too rough to search by.
ERROR_LIMIT = 0.05
# Fewer networks than this tell next to nothing: of three, cross-validation would fit two.
FEWEST = 5
# Cross-validation leaves out a tenth of the networks at a time, or of many a fifth: that costs less.
_FOLDS, _FOLDS_OF_MANY, _MANY = 10, 5, 400
# A time this far off, as a share and in typical errors, is an outlier: named, and told apart from the others' error.
_OUTLIER_SHARE, _OUTLIER_ERRORS = 0.3, 10.0
# The quartiles of a normal distribution, in standard deviations.
_QUARTILE = 0.6745


@dataclass(frozen=True)
class Fitted:
    """A table's content; `origin` says how far it can be trusted."""

    entries: dict[str, Entry]
    call_ms: float
    origin: dict[str, Any]
    curve: Curve | None
    estimates: Estimates


def fit_networks(
    networks: Sequence[Backbone | Decoder | str],
    times: Sequence[float],
    input_shape: Shape | Sequence[Shape] = None,
    space: Space | Sequence[Backbone | Decoder | str] | None = None,
    unit: Unit = "ms",
) -> Fitted:
    """The times of parts from the times (ms) of whole networks; arguments and errors as in `LatencyTable.fit`.

    What adds up as times do is told alike: with the unit "mj", all times are energies in mJ.
    """
    if isinstance(space, Space) and input_shape is None:
        input_shape = space.input_shape
    shapes = _shapes(networks, input_shape)
    word = _WORDS[unit]
    ms = _checked(networks, times, unit)
    cut = [parts(network, shape) for network, shape in zip(networks, shapes, strict=True)]
    sizes = _sizes(networks, cut, input_shape)
    if isinstance(space, Space) and sizes and tuple(space.input_shape) not in sizes:
        raise CaffeError(
            f"space: found inputs of {_by(space.input_shape)}, expected those of the networks measured, "
            f"{' or '.join(map(_by, sizes))}: {word} of one size tell nothing of another"
        )
    wanted = _parts_of(space, shapes[0] if len(set(map(str, shapes))) == 1 else None)
    layout = Layout(cut, wanted)
    counts = layout.count(cut)
    distinct, groups = np.unique(counts, axis=0, return_inverse=True)
    if len(distinct) < FEWEST:
        raise UnsupportedError(f"networks: found {len(distinct)} different ones, expected at least {FEWEST}")
    if ms.min() == ms.max():
        raise UnsupportedError(
            f"{word}: found {ms[0]:g} {_SIGNS[unit]} for all {len(distinct)} different networks, expected {word} that "
            "tell them apart"
        )
    found = regress(layout.rows, counts, ms)
    left_out = _cross_validate(layout, counts, ms, groups.ravel(), found)
    errors = np.abs(left_out / ms - 1)
    far = (errors > max(_OUTLIER_SHARE, _OUTLIER_ERRORS * float(np.median(errors)))) & (found.weights < 0.3)
    checked = agreement(left_out[~far], ms[~far])
    outliers = [
        {"network": str(networks[index]), unit: float(ms[index]), f"predicted_{unit}": float(left_out[index])}
        for index in np.flatnonzero(far).tolist()
    ]
    origin = {
        "method": "fitted",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "networks": len(ms),
        "different_networks": len(distinct),
        "input_shapes": [list(size) for size in sizes],
        "cross_validation": {
            "mean_error": checked.mean_error,
            "worst": checked.worst,
            "bias": checked.bias,
            "within_5": checked.within_5,
            "within_10": checked.within_10,
            "tau": None if np.isnan(checked.tau) else checked.tau,
        },
        "outliers": outliers,
    }
    call_ms = round(float(found.parts.mean[-1]) * found.usual, 6)
    entries = _entries(layout, counts, found, call_ms)
    return Fitted(entries, call_ms, origin, found.curve, found.estimates)


def fit_remarks(origin: Mapping[str, Any], limit: float = ERROR_LIMIT, unit: Unit = "ms") -> list[str]:
    """What is wrong with a fit of this origin, in words: networks that fit no others, too large an error."""
    found = [
        f"does not fit the others: {outlier['network']}: {outlier[unit]:g} {_SIGNS[unit]}, by the others "
        f"{outlier[f'predicted_{unit}']:.4g} {_SIGNS[unit]}"
        for outlier in origin["outliers"]
    ]
    error = origin["cross_validation"]["mean_error"]
    if error > limit:
        found.append(
            f"too rough to search by: networks left out in turn are {error:.2%} off in the mean, at most {limit:.2%} "
            f"is expected; {'time' if unit == 'ms' else 'measure'} more networks, which `dongfeng profile next` chooses"
        )
    return found


def _entries(layout: Layout, counts: Floats, found: Regression, call_ms: float) -> dict[str, Entry]:
    """An entry for each part as it is met most often, and one for each other layer that makes what it takes."""
    often = (counts[:, :-1] > 0).sum(0)
    spreads = np.sqrt(np.maximum(np.diag(found.parts.covariance), 0)) * found.usual * _QUARTILE
    entries: dict[str, Entry] = {}
    for index in np.argsort(-often, kind="stable"):
        part = layout.rows[index].part
        ms = round(float(found.parts.mean[index]) * found.usual + call_ms, 6)
        low, high = max(ms - float(spreads[index]), 0.0), ms + float(spreads[index])
        is_first = part.key not in entries
        label = part.label if is_first else f"{part.label} after {'+'.join(part.makers.values())}"
        key = part.key if is_first else part.joined_key
        entries[key] = Entry(ms, (round(low, 6), round(high, 6)), int(often[index]), label)
    return entries


def _cross_validate(layout: Layout, counts: Floats, ms: Floats, groups: NDArray[np.intp], full: Regression) -> Floats:
    """What networks (n,) are predicted to take, in ms, by those of other folds; repeats of one are in one fold."""
    number = groups.max() + 1
    folds = min(_FOLDS_OF_MANY if number > _MANY else _FOLDS, number)
    fold_of = (np.random.default_rng(0).permutation(number) % folds)[groups]
    predicted = np.empty(len(ms))
    for fold in range(folds):
        out = fold_of == fold
        # Thousands of networks learn the same variances with a fifth of them left out.
        known = full if number > _MANY else None
        predicted[out] = regress(layout.rows, counts[~out], ms[~out], known).predict(counts[out])
    return predicted


def _parts_of(space: Space | Sequence[Backbone | Decoder | str] | None, shape: Any) -> list[Part]:
    """The parts that the table is to hold beside those of the networks timed."""
    if space is None:
        return []
    if isinstance(space, Space):
        return list(space_parts(space).values())
    return [part for network in space for part in parts(network, shape)]


def _shapes(networks: Sequence[Backbone | Decoder | str], given: Shape | Sequence[Shape]) -> list[Shape]:
    """The input shape of each network."""
    if given is None or isinstance(given[0], int):
        return [given] * len(networks)  # type: ignore[list-item]
    if len(given) != len(networks):
        raise CaffeError(f"input_shape: found {len(given)} shapes for {len(networks)} networks, expected one each")
    return list(given)  # type: ignore[arg-type]


def _checked(networks: Sequence[Backbone | Decoder | str], times: Sequence[float], unit: Unit) -> Floats:
    if len(networks) != len(times):
        raise CaffeError(f"{_WORDS[unit]}: found {len(times)} for {len(networks)} networks, expected one each")
    ms = np.asarray(times, np.float64)
    wrong = [f"{networks[index]}: {times[index]}" for index in np.flatnonzero(~(np.isfinite(ms) & (ms > 0))).tolist()]
    if wrong:
        found = f"{len(wrong)} that are not above 0 {_SIGNS[unit]}: {'; '.join(wrong[:5])}"
        raise CaffeError(f"{_WORDS[unit]}: found {found}")
    return ms


def _sizes(
    networks: Sequence[Backbone | Decoder | str], cut: Sequence[Sequence[Part]], given: Shape | Sequence[Shape]
) -> list[tuple[int, ...]]:
    """The shapes of the inputs. Networks of two sizes are one device's only where the caller says so."""
    sizes: dict[tuple[int, ...], str] = {}
    for network, found in zip(networks, cut, strict=True):
        sizes.setdefault(tuple(found[0].net.layer[0].input_param.shape[0].dim), str(network))
    if len(sizes) > 1 and given is None:
        listed = "; ".join(f"{_by(size)}: {network}" for size, network in sizes.items())
        raise CaffeError(
            f"networks: found inputs of {len(sizes)} sizes ({listed}), expected `input_shape` to state them"
        )
    return list(sizes)


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
