"""The rules of Tiered Pruning: how inner widths move, and when widths, blocks and layers of a supernet are decided.

Tiered Pruning for Efficient Differentiable Inference-Aware Neural Architecture Search (arXiv 2209.11785) leaves its
inner rules open. This is a reconstruction, and every constant of it is a field of `Rules`. Nothing here knows what a
supernet is: probabilities come in, decisions go out, so that the same rules work on anything that has probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError

#: What a decision did: to a Prunode ("moved", "narrowed", "frozen"), a block, a layer ("layer kept": its bypass goes).
Kind: TypeAlias = Literal["moved", "narrowed", "frozen", "block removed", "layer removed", "layer kept"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Rules:
    """The constants of the rules. CaffeError lists all that are out of their range.

    A decision is made after each `every` architecture steps. It goes by moving averages: each step counts for
    1 - `decay` of them. A new Prunode has its two paths at the shares `start` of its widths.

    A path leads when its averaged probability is larger than the other's by `lead`. Then both widths move that way, by
    a velocity: each such decision adds `rate` times the gap to `momentum` times what it was. Against an edge, the one
    behind comes nearer. When the direction flips, the gap is multiplied by `narrowing`: the more probable path stays,
    the other comes nearer, and the velocity is 0 again. So it is, too, whenever the gap is more than the share
    (1 - progress / `closed`) ** `closing` of the widths. A gap of one stays; after `rest` decisions with it that did
    not move on in one direction, and at progress `closed` at the latest, the more probable path is frozen.

    Thresholds rise evenly from their first value to their second, at progress `decided`, and stay there. What goes
    changes the latency by a step, and the widths that are open still make up for it: `decided` is before `closed`.

    A block goes when its averaged probability is the least of its layer's and below a threshold, by
    `block_thresholds`; one at a time. A layer goes when the averaged
    probability that it is not bypassed was below a threshold in `layer_rest` decisions in a row, by
    `layer_thresholds`; it stays for good when that of its bypass was.

    The defaults were chosen by simulating logits under Adam (rates 0.02 and 0.05) with a known best of 12, 50 or
    176 widths (benchmarks/tiered_rules.py). Without noise 12, 22 and 31 decisions find it. Where a step's noise is
    0.3 times the loss across the widths, the median error is 3 to 5 % of the range after 60 decisions and 3 to 5 %
    after 150; at 1 it is 6 to 7 % and 5 %. There a smaller `lead`, a faster `rate` and a stronger `narrowing` lost
    more; to let blocks go only after their widths had settled gained little, and kept 9 of 10 blocks on average
    instead of 6.
    """

    every: int = 10
    decay: float = 0.9
    start: tuple[float, float] = (0.2, 0.8)
    lead: float = 0.4
    momentum: float = 0.5
    rate: float = 0.25
    narrowing: float = 0.75
    rest: int = 4
    closing: float = 1.0
    closed: float = 0.9
    decided: float = 0.6
    block_thresholds: tuple[float, float] = (0.05, 0.5)
    layer_thresholds: tuple[float, float] = (0.1, 0.5)
    layer_rest: int = 5

    def __post_init__(self) -> None:
        for name in ("start", "block_thresholds", "layer_thresholds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        rules = {
            "every": (self.every >= 1, "at least 1"),
            "decay": (0 <= self.decay < 1, "0 or more, less than 1"),
            "start": (len(self.start) == 2 and 0 <= self.start[0] < self.start[1] <= 1, "two ascending shares in 0..1"),
            "lead": (0 <= self.lead < 1, "0 or more, less than 1"),
            "momentum": (0 <= self.momentum < 1, "0 or more, less than 1"),
            "rate": (0 < self.rate < math.inf, "more than 0"),
            "narrowing": (0 < self.narrowing < 1, "between 0 and 1"),
            "rest": (self.rest >= 1, "at least 1"),
            "closing": (0 < self.closing < math.inf, "more than 0"),
            "decided": (0 < self.decided <= 1, "more than 0, at most 1"),
            "closed": (0 < self.closed <= 1, "more than 0, at most 1"),
            **{
                name: (
                    len(getattr(self, name)) == 2 and 0 <= getattr(self, name)[0] <= getattr(self, name)[1] <= most,
                    f"two probabilities in 0..{most}, the second not below the first",
                )
                for name, most in (("block_thresholds", 1), ("layer_thresholds", 0.5))
            },
            "layer_rest": (self.layer_rest >= 1, "at least 1"),
        }
        faults = [
            f"{name}: found {getattr(self, name)}, expected {rule}" for name, (met, rule) in rules.items() if not met
        ]
        if faults:
            raise CaffeError(f"rules of Tiered Pruning: {'; '.join(faults)}")

    def settings(self) -> dict[str, Any]:
        """The fields by name as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def threshold(self, thresholds: tuple[float, float], progress: float) -> float:
        """What a probability must not be below at this progress."""
        first, last = thresholds
        return first + (last - first) * min(1.0, progress / self.decided)

    def most(self, progress: float, widths: int) -> int:
        """The largest gap, in granules, that a Prunode of so many widths may have; 0 when it must be frozen."""
        left = 1 - progress / self.closed
        return math.ceil((widths - 1) * left**self.closing) if left > 0 else 0


class LayerChoices(NamedTuple):
    """What a layer may be: so many candidates, each of any of `widths`, ascending; none where there is no inner width.

    `optional` says whether the layer may be removed.
    """

    candidates: int
    widths: tuple[int, ...]
    optional: bool


class LayerProbabilities(NamedTuple):
    """What a supernet holds of a layer at one step.

    `candidates`: the probability of each that is still there, by number. `large`: of each Prunode that is not frozen,
    the probability of its large path. `bypass`: of the bypass, while it is open. Further entries of what is decided
    already are ignored, so that a supernet may give what it has.
    """

    candidates: Mapping[int, float]
    large: Mapping[int, float]
    bypass: float | None = None


class Event(NamedTuple):
    """What was decided. `candidate` is None for a layer; `small` and `large` are the Prunode's widths from now on.

    Widths are 0 where there are none. A Prunode that moved or narrowed begins a new contest: both paths are equally
    probable again.
    """

    kind: Kind
    layer: int
    candidate: int | None = None
    small: int = 0
    large: int = 0


@dataclass
class Prunode:
    """A block whose inner width is searched with two paths, the first `small` and the first `large` of `widths`.

    Both are indices; they are equal once it is frozen, and where there is no choice of width. `probability` is the
    averaged one of the large path. `velocity` is in granules a decision. `rested`: in how many decisions in a row, at a
    gap of one, it did not go on in one direction.
    """

    widths: tuple[int, ...]
    small: int
    large: int
    probability: float = 0.5
    velocity: float = 0.0
    rested: int = 0

    @property
    def frozen(self) -> bool:
        return self.small == self.large

    @property
    def gap(self) -> int:
        """In granules; 0 once frozen."""
        return self.large - self.small

    @property
    def leader(self) -> int:
        """The index of the more probable path's width; of equal ones the narrower, which costs less."""
        return self.large if self.probability > 0.5 else self.small

    def width(self, index: int) -> int:
        """An inner width; 0 where there is none."""
        return self.widths[index] if self.widths else 0

    @property
    def small_width(self) -> int:
        return self.width(self.small)

    @property
    def large_width(self) -> int:
        return self.width(self.large)


@dataclass
class LayerState:
    """What is left of a layer.

    `prunodes`: the candidates still there, by number; none when the layer is gone. `bypass`: whether its bypass is
    still open. `probabilities`: averaged, by candidate; they sum to 1. `bypass_probability`: averaged. `bypass_won`:
    for how many decisions in a row the bypass has led; negative: trailed.
    """

    prunodes: dict[int, Prunode]
    bypass: bool
    gone: bool = False
    probabilities: dict[int, float] = field(default_factory=dict)
    bypass_probability: float = 0.5
    bypass_won: int = 0

    @property
    def leader(self) -> int:
        """The most probable candidate; of equal ones the first. The layer must be there."""
        return max(self.probabilities, key=lambda number: (self.probabilities[number], -number))

    @property
    def done(self) -> bool:
        return self.gone or (
            not self.bypass and len(self.prunodes) == 1 and all(one.frozen for one in self.prunodes.values())
        )


class TieredPruning:
    """What is still searched of each layer, and the rules by which that gets less.

    `observe` what the supernet holds after each architecture step, `decide` after every `rules.every` of them, `finish`
    at the end. `layers` may be read, not written. Decisions follow from what was observed alone: there is no chance.

    ArchitectureError for layers without candidates, with so many that equal ones would be removed, and for widths that
    do not ascend.
    """

    def __init__(self, layers: Sequence[LayerChoices], rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.choices = tuple(LayerChoices(int(one[0]), tuple(one[1]), bool(one[2])) for one in layers)
        faults = []
        for number, choices in enumerate(self.choices):
            if choices.candidates < 1:
                faults.append(f"layer {number}: found {choices.candidates} candidates, expected at least 1")
            if list(choices.widths) != sorted(set(choices.widths)) or min(choices.widths, default=1) < 1:
                faults.append(f"layer {number}: found widths {choices.widths}, expected ascending ones")
            if choices.candidates > 1 and self.rules.block_thresholds[0] >= 1 / choices.candidates:
                faults.append(
                    f"layer {number}: found {choices.candidates} candidates, expected fewer: with equal probabilities "
                    f"they are below the first of block_thresholds, {self.rules.block_thresholds[0]}"
                )
        if faults:
            raise ArchitectureError(f"Tiered Pruning: {'; '.join(faults)}")
        self.layers = [self._new(choices) for choices in self.choices]

    def _new(self, choices: LayerChoices) -> LayerState:
        prunodes = {}
        for number in range(choices.candidates):
            small, large = self._start(len(choices.widths))
            prunodes[number] = Prunode(choices.widths, small, large)
        return LayerState(prunodes, choices.optional, probabilities=dict.fromkeys(prunodes, 1 / choices.candidates))

    def _start(self, widths: int) -> tuple[int, int]:
        """Where the two paths of so many widths begin: apart, if there is more than one."""
        if widths < 2:
            return 0, 0
        small, large = (round(share * (widths - 1)) for share in self.rules.start)
        return (small, large) if small < large else (small, small + 1) if small + 1 < widths else (small - 1, small)

    @property
    def done(self) -> bool:
        """Whether nothing is searched any more."""
        return all(layer.done for layer in self.layers)

    def picks(self) -> list[tuple[int, int] | None]:
        """For each layer its leading candidate and the leading inner width of that (0: none); None for one removed.

        A layer whose bypass leads counts as removed. Once done, this is what was decided.
        """
        found: list[tuple[int, int] | None] = []
        for layer in self.layers:
            if layer.gone or (layer.bypass and layer.bypass_probability > 0.5):
                found.append(None)
                continue
            prunode = layer.prunodes[layer.leader]
            found.append((layer.leader, prunode.width(prunode.leader)))
        return found

    def observe(self, seen: Sequence[LayerProbabilities]) -> None:
        """Enters what the supernet holds of each layer after an architecture step.

        ArchitectureError lists what is missing and what is no probability; nothing is entered then.
        """
        self._check(seen)
        for layer, one in zip(self.layers, seen, strict=True):
            if layer.gone:
                continue
            for number in layer.prunodes:
                layer.probabilities[number] = self._averaged(layer.probabilities[number], one.candidates[number])
            for number, prunode in layer.prunodes.items():
                if not prunode.frozen:
                    prunode.probability = self._averaged(prunode.probability, one.large[number])
            if layer.bypass:
                assert one.bypass is not None
                layer.bypass_probability = self._averaged(layer.bypass_probability, one.bypass)

    def _averaged(self, before: float, now: float) -> float:
        return self.rules.decay * before + (1 - self.rules.decay) * float(now)

    def _check(self, seen: Sequence[LayerProbabilities]) -> None:
        if len(seen) != len(self.layers):
            raise ArchitectureError(f"Tiered Pruning: found {len(seen)} layers, expected {len(self.layers)}")
        faults = []
        for number, (layer, one) in enumerate(zip(self.layers, seen, strict=True)):
            needed: dict[str, float | None] = {}
            for candidate, prunode in layer.prunodes.items():
                needed[f"candidate {candidate}"] = one.candidates.get(candidate)
                if not prunode.frozen:
                    needed[f"large path of candidate {candidate}"] = one.large.get(candidate)
            if layer.bypass:
                needed["bypass"] = one.bypass
            faults += [
                f"layer {number}: {what}: found {value}, expected a probability"
                for what, value in needed.items()
                if value is None or not 0 <= value <= 1
            ]
        if faults:
            raise ArchitectureError(f"Tiered Pruning: {'; '.join(faults)}")

    def decide(self, progress: float) -> list[Event]:
        """Moves, narrows, freezes and removes what is due at a progress of the search in 0..1; at 1 all ends.

        The events are in the order of the layers. ArchitectureError for another progress.
        """
        if not 0 <= progress <= 1:
            raise ArchitectureError(f"Tiered Pruning: progress: found {progress}, expected 0 to 1")
        if progress == 1:
            return self.finish()
        events: list[Event] = []
        for number, layer in enumerate(self.layers):
            if not layer.gone:
                events += self._bypass(number, layer, progress)
            if not layer.gone:
                events += self._blocks(number, layer, progress)
                events += self._widths(number, layer, progress)
        return events

    def finish(self) -> list[Event]:
        """Ends all that is still searched: every contest goes to its leader."""
        events: list[Event] = []
        for number, layer in enumerate(self.layers):
            if layer.bypass:
                events.append(self._close(number, layer, layer.bypass_probability > 0.5))
            if layer.gone:
                continue
            kept = layer.leader
            for candidate in [one for one in layer.prunodes if one != kept]:
                events.append(self._remove(number, layer, candidate))
            if not layer.prunodes[kept].frozen:
                events.append(self._freeze(number, kept, layer.prunodes[kept]))
        return events

    def _bypass(self, number: int, layer: LayerState, progress: float) -> Iterator[Event]:
        if not layer.bypass:
            return
        won = layer.bypass_probability > 0.5
        least = min(layer.bypass_probability, 1 - layer.bypass_probability)
        if least >= self.rules.threshold(self.rules.layer_thresholds, progress):
            layer.bypass_won = 0
            return
        layer.bypass_won = max(layer.bypass_won, 0) + 1 if won else min(layer.bypass_won, 0) - 1
        if abs(layer.bypass_won) >= self.rules.layer_rest:
            yield self._close(number, layer, won)

    def _close(self, number: int, layer: LayerState, gone: bool) -> Event:
        layer.bypass, layer.gone = False, gone
        if gone:
            layer.prunodes.clear()
            layer.probabilities.clear()
        return Event("layer removed" if gone else "layer kept", number)

    def _blocks(self, number: int, layer: LayerState, progress: float) -> Iterator[Event]:
        """One at a time: what is left shares out its probability, and may so be above the threshold again."""
        least = min(layer.probabilities, key=lambda one: (layer.probabilities[one], -one))
        threshold = self.rules.threshold(self.rules.block_thresholds, progress)
        if len(layer.prunodes) > 1 and layer.probabilities[least] < threshold:
            yield self._remove(number, layer, least)

    def _remove(self, number: int, layer: LayerState, candidate: int) -> Event:
        del layer.prunodes[candidate], layer.probabilities[candidate]
        total = sum(layer.probabilities.values())
        for one in layer.probabilities:
            share = layer.probabilities[one] / total if total else 1 / len(layer.probabilities)
            layer.probabilities[one] = share
        return Event("block removed", number, candidate)

    def _widths(self, number: int, layer: LayerState, progress: float) -> Iterator[Event]:
        for candidate, prunode in layer.prunodes.items():
            if not prunode.frozen:
                kind = self._contest(prunode, self.rules.most(progress, len(prunode.widths)))
                if kind == "frozen":
                    yield self._freeze(number, candidate, prunode)
                elif kind is not None:
                    prunode.probability = 0.5
                    yield Event(kind, number, candidate, prunode.small_width, prunode.large_width)

    def _freeze(self, number: int, candidate: int, prunode: Prunode) -> Event:
        prunode.small = prunode.large = prunode.leader
        prunode.velocity = 0.0
        return Event("frozen", number, candidate, prunode.small_width, prunode.large_width)

    def _contest(self, prunode: Prunode, most: int) -> Kind | None:
        """What becomes of a Prunode whose gap may be so large; moves its widths."""
        if most < 1:
            return "frozen"
        small, large = prunode.small, prunode.large
        lead = 2 * prunode.probability - 1
        direction = 0 if abs(lead) < self.rules.lead or lead == 0 else 1 if lead > 0 else -1
        narrower = max(1, math.floor(self.rules.narrowing * prunode.gap))
        onwards = prunode.velocity * direction > 0
        if prunode.gap > most or (prunode.gap > 1 and prunode.velocity * direction < 0):
            self._narrow(prunode, min(narrower, most))
        elif direction:
            self._move(prunode, direction)
        moved = (prunode.small, prunode.large) != (small, large)
        if large - small > 1 or (onwards and moved):
            prunode.rested = 0
        else:
            prunode.rested += 1
            if prunode.rested >= self.rules.rest:
                # Who leads was seen between the widths before, which stay.
                prunode.small, prunode.large = small, large
                return "frozen"
        if not moved:
            return None
        return "narrowed" if prunode.gap < large - small else "moved"

    def _move(self, prunode: Prunode, direction: int) -> None:
        """Both widths one way; against an edge, the one behind comes nearer."""
        if prunode.velocity * direction < 0:
            prunode.velocity = 0.0
        prunode.velocity = self.rules.momentum * prunode.velocity + direction * self.rules.rate * prunode.gap
        step = max(1, round(abs(prunode.velocity)))
        if direction > 0:
            prunode.large = min(prunode.large + step, len(prunode.widths) - 1)
            prunode.small = min(prunode.small + step, prunode.large - 1)
        else:
            prunode.small = max(prunode.small - step, 0)
            prunode.large = max(prunode.large - step, prunode.small + 1)

    def _narrow(self, prunode: Prunode, gap: int) -> None:
        """The leading path stays, the other comes nearer; of equal ones both come nearer. Then it is at rest."""
        prunode.velocity = 0.0
        if prunode.probability < 0.5:
            prunode.large = prunode.small + gap
        else:
            less = prunode.gap - gap
            prunode.small += less if prunode.probability > 0.5 else less // 2
            prunode.large = prunode.small + gap

    def state(self) -> dict[str, Any]:
        """All that the future depends on, as JSON values."""
        return {
            "layers": [
                {
                    "bypass": layer.bypass,
                    "gone": layer.gone,
                    "bypass_probability": layer.bypass_probability,
                    "bypass_won": layer.bypass_won,
                    "candidates": [
                        {
                            "candidate": number,
                            "share": layer.probabilities[number],
                            **{name: getattr(prunode, name) for name in _PRUNODE},
                        }
                        for number, prunode in layer.prunodes.items()
                    ],
                }
                for layer in self.layers
            ]
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Goes on from a `state()` of the same layers. FormatError for anything else."""
        try:
            found = [self._restored(*pair) for pair in zip(self.choices, values["layers"], strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"Tiered Pruning: found a state that is not one of these layers: {error}") from None
        self.layers = found

    def _restored(self, choices: LayerChoices, values: Mapping[str, Any]) -> LayerState:
        prunodes, probabilities = {}, {}
        for one in values["candidates"]:
            number = one["candidate"]
            prunodes[number] = Prunode(choices.widths, **{name: one[name] for name in _PRUNODE})
            probabilities[number] = one["share"]
            small, large = prunodes[number].small, prunodes[number].large
            if not (0 <= number < choices.candidates and 0 <= small <= large < max(1, len(choices.widths))):
                raise ValueError(f"candidate {number} with widths {small} and {large}")
        if len(prunodes) < len(values["candidates"]):
            raise ValueError("a candidate stands there twice")
        if not choices.optional and (values["bypass"] or values["gone"]):
            raise ValueError("a layer is optional or gone that must be there")
        if bool(values["gone"]) == bool(prunodes):
            raise ValueError("a layer without blocks is not gone, or one with blocks is")
        return LayerState(
            prunodes,
            values["bypass"],
            values["gone"],
            probabilities,
            values["bypass_probability"],
            values["bypass_won"],
        )


_PRUNODE = ("small", "large", "probability", "velocity", "rested")
