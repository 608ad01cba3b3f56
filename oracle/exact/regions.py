"""The partition of a network in any latent dimension, in exact arithmetic [Lemma 3, Corollary 1].

Weights are doubles, so every pre-activation is an integer vector in (z, t) over a power of two, and
every question is decided exactly. Found by recursion: a cell is cut by one unit, then its parts by
the next. Certified by another argument altogether: see `certify`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.exact.cone import Cone, Vector, whole_space
from oracle.exact.layer_specs import LayerSpec, unit_slopes

Code = tuple[int, ...]
Integers = NDArray[np.object_]


@dataclass(frozen=True)
class ExactRegion:
    """A region of a network, with integers alone.

    Parameters
    ----------
    code
        Signs of units, then winners of windows, layer by layer.
    cone
        The region's polyhedron, as a cone one dimension higher.
    rows
        The map to the output, (D, S + 1): each row a slope and an offset, times 2^exponent.
    exponent
        See rows.
    """

    code: Code
    cone: Cone
    rows: Integers
    exponent: int

    def map_at(self, z: Iterable[Fraction]) -> list[Fraction]:
        """The image of a point under the region's map."""
        point = [*z, Fraction(1)]
        scale = Fraction(1, 1 << self.exponent)
        return [
            scale * sum((int(a) * x for a, x in zip(row, point, strict=True)), Fraction(0))
            for row in self.rows
        ]


def exact_regions(layers: tuple[LayerSpec, ...]) -> list[ExactRegion]:
    """Every region of a network, by integer geometry.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.

    Returns
    -------
    list of ExactRegion
        Sorted by code. A code holds each unit's sign, 0 where the unit vanishes on the region, and
        the winner of each window: the first of those that are largest on all of the region.

    Raises
    ------
    ValueError
        If a layer is of an unknown kind.

    Notes
    -----
    No rounding at all: doubles are fractions, and every polyhedron is a cone of integers. Guarded
    by tests/oracle/test_oracle_partition.py.

    Examples
    --------
    >>> layers = (("dense", [[1.0], [2.0]], [0.0, -1.0]), ("slope", 0.0))
    >>> [region.code for region in exact_regions(layers)]
    [(-1, -1), (1, -1), (1, 1)]
    """
    regions = [_identity(layers)]
    for kind, *values in layers:
        if kind == "dense":
            regions = [_after_dense(region, *values) for region in regions]
        elif kind == "slope":
            regions = [part for region in regions for part in _after_units(region, *values)]
        elif kind == "max":
            regions = [part for region in regions for part in _after_windows(region, *values)]
        else:
            raise ValueError(f"layers: unknown kind {kind!r}")
    return sorted(regions, key=lambda region: region.code)


def _identity(layers: tuple[LayerSpec, ...]) -> ExactRegion:
    """All of R^S with the map z -> z, before any layer."""
    dimension = np.shape(layers[0][1])[1]
    rows = np.zeros((dimension, dimension + 1), dtype=object)
    rows[range(dimension), range(dimension)] = 1
    return ExactRegion((), whole_space(dimension), rows, 0)


def dyadic(values: Any) -> tuple[Integers, int]:
    """Integers n and one exponent k with values = n / 2^k exactly."""
    array = np.asarray(values, dtype=np.float64)
    ratios = [float(v).as_integer_ratio() for v in array.ravel()]
    exponent = max((den.bit_length() - 1 for _, den in ratios), default=0)
    numbers = np.empty(len(ratios), dtype=object)
    numbers[:] = [num << (exponent - den.bit_length() + 1) for num, den in ratios]
    return numbers.reshape(array.shape), exponent


def _after_dense(region: ExactRegion, weight: Any, bias: Any) -> ExactRegion:
    numbers, weight_exponent = dyadic(weight)
    constants, bias_exponent = dyadic(bias)
    exponent = max(region.exponent + weight_exponent, bias_exponent)
    rows = numbers.dot(region.rows) * (1 << (exponent - region.exponent - weight_exponent))
    rows[:, -1] = rows[:, -1] + constants * (1 << (exponent - bias_exponent))
    return ExactRegion(region.code, region.cone, rows, exponent)


def _signed_parts(cone: Cone, function: Vector) -> Iterator[tuple[int, Cone]]:
    """The parts of a cone on which a function has one sign, 0 only where it vanishes throughout."""
    sign = cone.sign(function)
    if sign is not None:
        yield sign, cone
    else:
        yield 1, cone.part(function)
        yield -1, cone.part(tuple(-x for x in function))


def _after_units(region: ExactRegion, eta: Any) -> list[ExactRegion]:
    """Cut by every acting unit's input, then scale each unit by 1 or η."""
    _, acting = unit_slopes(eta, len(region.rows))
    found: list[tuple[Code, Cone]] = [((), region.cone)]
    for row in region.rows[acting]:
        found = [
            ((*code, sign), part)
            for code, cone in found
            for sign, part in _signed_parts(cone, tuple(map(int, row)))
        ]
    return [
        ExactRegion((*region.code, *code), cone, *_scaled(region, eta, code))
        for code, cone in found
    ]


def _scaled(region: ExactRegion, eta: Any, code: Iterable[int]) -> tuple[Integers, int]:
    """The rows and their exponent after units with these signs."""
    factors, more = unit_factors(eta, len(region.rows), code)
    return region.rows * factors[:, None], region.exponent + more


def unit_factors(eta: Any, size: int, signs: Iterable[int]) -> tuple[Integers, int]:
    """What an activation multiplies each of `size` units by where its acting units have these
    signs: 1 or η, in integers over two to some power."""
    slopes, acting = unit_slopes(eta, size)
    factors, exponent = dyadic(slopes)
    for unit, sign in zip(acting, signs, strict=True):
        if sign > 0:
            factors[unit] = 1 << exponent
    return factors, exponent


def _after_windows(region: ExactRegion, windows: list[list[int]]) -> list[ExactRegion]:
    """For every window, the parts on which each candidate wins; then only the winners."""
    found: list[tuple[Code, Cone]] = [((), region.cone)]
    for window in windows:
        found = [
            ((*code, position), part)
            for code, cone in found
            for position in range(len(window))
            if (part := _where_it_wins(region, cone, window, position)) is not None
        ]
    return [
        ExactRegion(
            (*region.code, *code),
            cone,
            region.rows[[w[p] for w, p in zip(windows, code, strict=True)]],
            region.exponent,
        )
        for code, cone in found
    ]


def _where_it_wins(
    region: ExactRegion, cone: Cone, window: list[int], position: int
) -> Cone | None:
    """The part on which one candidate beats the earlier ones and no later one beats it."""
    for other in range(len(window)):
        if window[other] == window[position]:
            continue
        lead = region.rows[window[position]] - region.rows[window[other]]
        function = tuple(map(int, lead))
        sign = cone.sign(function)
        if sign == -1 or (sign == 0 and other < position):
            return None
        cone = cone.part(function) if sign is None else cone
    return cone


@dataclass(frozen=True)
class Certificate:
    """What is wrong with a set of codes: nothing, if every list is empty.

    Parameters
    ----------
    repeated
        Codes given more than once.
    empty
        Codes of no region.
    missing
        Codes of regions that lie beside one of the given, and are not among them.
    """

    repeated: list[Code]
    empty: list[Code]
    missing: list[Code]

    @property
    def holds(self) -> bool:
        """Whether the codes are those of all regions, each once."""
        return not (self.repeated or self.empty or self.missing)


def certify(layers: tuple[LayerSpec, ...], codes: Iterable[Iterable[int]]) -> Certificate:
    """Decide exactly whether these are the codes of all regions of a network.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    codes : Iterable[Iterable[int]]
        The code of each region: signs of units, then winners of windows, layer by layer.

    Returns
    -------
    Certificate
        Codes given twice, codes of no region, and codes that are missing. Nothing is wrong if all
        three are empty.

    Notes
    -----
    The polyhedron of each code is built from the code's own half-spaces. It must have an interior,
    and at a rational point there the network itself must have that code. Across each of its facets,
    at a rational point inside the facet, the network must have a code that is given too. The
    regions leave out only faces of dimension S - 2 and less, and these cannot separate R^S. So a
    set that no facet leads out of is complete. Nothing but cones is shared with `exact_regions`.
    Guarded by tests/oracle/test_oracle_partition.py.
    """
    given = [tuple(map(int, code)) for code in codes]
    known = set(given)
    repeated = sorted(code for code, times in Counter(given).items() if times > 1)
    empty: list[Code] = []
    missing: set[Code] = set()
    for code in sorted(known):
        cone = _polyhedron(layers, code)
        if cone is None or code_at(layers, cone.inner_point(), None) != code:
            empty.append(code)
            continue
        for bound, inside in cone.facets():
            point = [Fraction(x, inside[-1]) for x in inside[:-1]]
            beyond = code_at(layers, point, [Fraction(-x) for x in bound[:-1]])
            if beyond not in known:
                missing.add(beyond)
    return Certificate(repeated, empty, sorted(missing))


def _polyhedron(layers: tuple[LayerSpec, ...], code: Code) -> Cone | None:
    """The closure of the region with a code, from its half-spaces; None if it has no interior."""
    region, rest = _identity(layers), list(code)
    cone: Cone | None = region.cone
    for kind, *values in layers:
        if kind == "dense":
            region = _after_dense(region, *values)
            continue
        signs = kind == "slope"
        acting = unit_slopes(values[0], len(region.rows))[1] if signs else []
        count = len(acting) if signs else len(values[0])
        part, rest = rest[:count], rest[count:]
        if len(part) < count or cone is None:
            return None
        if signs:
            for sign, row in zip(part, region.rows[acting], strict=True):
                cone = _narrowed(cone, sign, tuple(map(int, row)))
            rows, exponent = _scaled(region, values[0], part)
        else:
            for position, window in zip(part, values[0], strict=True):
                if not 0 <= position < len(window):
                    return None
                cone = None if cone is None else _where_it_wins(region, cone, window, position)
            rows = region.rows[[w[p] for w, p in zip(values[0], part, strict=True)]]
            exponent = region.exponent
        region = ExactRegion((), region.cone, rows, exponent)
    return None if rest else cone


def _narrowed(cone: Cone | None, sign: int, function: Vector) -> Cone | None:
    """The part of a cone on which a function has this sign; None if that has no interior."""
    if cone is None:
        return None
    return dict(_signed_parts(cone, function)).get(sign)


def code_at(
    layers: tuple[LayerSpec, ...], z: Iterable[Fraction], direction: Iterable[Fraction] | None
) -> Code:
    """The network's code just beyond z along a direction, by evaluating it; or at z, if None."""
    values = list(z)
    slopes = [Fraction(0)] * len(values) if direction is None else list(direction)
    code: list[int] = []
    for kind, *parts in layers:
        if kind == "dense":
            weight = [[Fraction(float(w)) for w in row] for row in parts[0]]
            values = [
                sum((w * v for w, v in zip(row, values, strict=True)), Fraction(float(b)))
                for row, b in zip(weight, parts[1], strict=True)
            ]
            pairs = [zip(row, slopes, strict=True) for row in weight]
            slopes = [sum((w * s for w, s in pair), Fraction(0)) for pair in pairs]
        elif kind == "slope":
            etas, acting = unit_slopes(parts[0], len(values))
            signs = [_sign(v) or _sign(s) for v, s in zip(values, slopes, strict=True)]
            code += [signs[unit] for unit in acting]
            scales = [Fraction(1 if s > 0 else e) for e, s in zip(etas, signs, strict=True)]
            values = [scale * v for scale, v in zip(scales, values, strict=True)]
            slopes = [scale * d for scale, d in zip(scales, slopes, strict=True)]
        else:
            winners = [
                max(range(len(w)), key=lambda p, w=w: (values[w[p]], slopes[w[p]], -p))  # type: ignore[misc]
                for w in parts[0]
            ]
            code += winners
            chosen = [w[p] for w, p in zip(parts[0], winners, strict=True)]
            values, slopes = [values[c] for c in chosen], [slopes[c] for c in chosen]
    return tuple(code)


def _sign(value: Fraction) -> int:
    return int(value > 0) - int(value < 0)
