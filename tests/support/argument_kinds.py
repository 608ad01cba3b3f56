"""What an argument of each kind refuses and what it accepts, up to its thresholds and past them.

Values on either side of a threshold are one unit in the last place apart, or one for integers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reference import GaussianPrior, LaplacePrior, ReLU

NAN, INF = float("nan"), float("inf")
TINY = float(np.finfo(np.float64).tiny)
SMALLEST, LARGEST = 5e-324, float(np.finfo(np.float64).max)
#: What a covariance may be asymmetric by, over its largest entry: written out, not imported.
ASYMMETRY = 1e-10

# No finite real numbers, whatever the shape.
NO_NUMBERS = {
    "None": None,
    "string": "one",
    "strings": [["a", "b"], ["c", "d"]],
    "numeric strings": [["1.0", "0.0"], ["0.0", "1.0"]],
    "bytes": b"1",
    "complex": [[1j, 0.0], [0.0, 1.0]],
    "ragged": [[1.0, 0.0], [1.0]],
    "objects": np.array([[object(), 1.0], [1.0, 1.0]]),
    "numbers as objects": np.ones((2, 2), dtype=object),
    "dates": np.zeros((2, 2), dtype="datetime64[s]"),
    "dict": {"a": 1.0},
    "set": {1.0},
    "function": np.sin,
    "five axes": np.ones((1, 1, 1, 2, 2)),
}


@dataclass(frozen=True)
class Kind:
    """Nothing is refused, nothing in particular accepted."""

    def wrong(self, sound: Any) -> dict[str, Any]:
        """Values that must be refused, by what is wrong with them; `sound` is an accepted one."""
        return {}

    def right(self, sound: Any) -> dict[str, Any]:
        """Unusual values that must be accepted."""
        return {}


@dataclass(frozen=True)
class Numbers(Kind):
    """An array of finite numbers. free: axes of any length; least: how many rows at least.
    optional: None stands for a default. scalar: a number will do as well."""

    free: tuple[int, ...] = ()
    least: int = 0
    optional: bool = False

    def wrong(self, sound):
        array = np.array(sound, dtype=np.float64)
        bad = {key: value for key, value in NO_NUMBERS.items() if value is not None}
        bad |= {} if self.optional else {"None": None}
        bad |= {f"shape {s}": np.ones(s) for s in self.wrong_shapes(array.shape)}
        bad |= not_finite(array)
        masked = np.ma.masked_array(array, mask=np.zeros(array.shape))
        if array.size:
            masked[(-1,) * array.ndim] = np.ma.masked
            bad |= {"masked": masked, "complex of the shape": array + 0j}
            bad |= {"strings of the shape": array.astype(str), "objects too": array.astype(object)}
        return bad

    def wrong_shapes(self, shape):
        """One too many or too few along each axis that is not free, and one axis more or less."""
        for axis, n in enumerate(shape):
            for m in (n - 1, n + 1) if axis not in self.free else ():
                yield (*shape[:axis], m, *shape[axis + 1 :])
        yield (*shape, 1)
        yield (1, *shape)
        if shape:
            yield shape[1:]
            yield shape[:-1]
        if self.least:
            yield (self.least - 1, *shape[1:])

    def right(self, sound):
        """The same numbers in other guises: the values of `sound` must be exact in float32."""
        array = np.array(sound, dtype=np.float64)
        wide = np.zeros((*array.shape, 2))
        wide[..., 0] = array
        return {
            "lists": array.tolist(),
            "float32": array.astype(np.float32),
            "long double": array.astype(np.longdouble),
            "column by column": np.asfortranarray(array),
            "strided": wide[..., 0],
            "big-endian": array.astype(">f8"),
            "nothing masked": np.ma.masked_array(array, mask=np.zeros(array.shape)),
        }


@dataclass(frozen=True)
class Data(Numbers):
    """Rows of finite numbers, or images of any shape with as many entries; one at least."""

    free: tuple[int, ...] = (0,)
    least: int = 1

    def wrong_shapes(self, shape):
        return (s for s in super().wrong_shapes(shape) if s != (*shape, 1))

    def right(self, sound):
        array = np.array(sound, dtype=np.float64)
        images = array.reshape(len(array), 1, -1, 1)
        return super().right(sound) | {"images": images, "lists of images": images.tolist()}


@dataclass(frozen=True)
class Observations(Data):
    """The same, of which some are not observed: NaN."""

    def wrong(self, sound):
        return {k: v for k, v in super().wrong(sound).items() if not k.startswith("nan")}

    def right(self, sound):
        some = {k: v for k, v in not_finite(np.array(sound)).items() if k.startswith("nan")}
        return super().right(sound) | some


@dataclass(frozen=True)
class RowsOf(Observations):
    """The same, one for each datum that there is."""

    free: tuple[int, ...] = ()


@dataclass(frozen=True)
class Weights(Numbers):
    """A number of 0 or more for each datum, not all of them 0."""

    optional: bool = True

    def wrong(self, sound):
        array = np.array(sound, dtype=np.float64)
        below, none = array.copy(), np.zeros_like(array)
        below[0] = -SMALLEST
        return super().wrong(sound) | {"below 0": below, "all of them 0": none}

    def right(self, sound):
        array = np.array(sound, dtype=np.float64)
        array[0] = 0.0
        return super().right(sound) | {"one of them 0": array}


def not_finite(array):
    """NaN and infinities in the first and in the last place."""
    bad = {}
    for place in (0, -1) if array.size else ():
        for value in (NAN, INF, -INF):
            bad[f"{value} at {place}"] = changed = array.copy()
            changed.reshape(-1)[place] = value
    return bad


@dataclass(frozen=True)
class Bounds(Numbers):
    """An array of numbers, of which some may be infinite. scalar: one number for all will do."""

    scalar: bool = False

    def wrong(self, sound):
        return {k: v for k, v in super().wrong(sound).items() if not k.startswith(("inf", "-inf"))}

    def wrong_shapes(self, shape):
        return (s for s in super().wrong_shapes(shape) if s or not self.scalar)

    def right(self, sound):
        infinite = {k: v for k, v in not_finite(np.array(sound)).items() if "inf" in k}
        return super().right(sound) | infinite | ({"one for all": 0.5} if self.scalar else {})


@dataclass(frozen=True)
class Covariance(Numbers):
    """(), (S,) or (S, S), positive definite; extreme: whether any such number goes."""

    extreme: bool = False

    def wrong(self, sound):
        size = len(sound)
        bad = {k: v for k, v in super().wrong(sound).items() if not k.startswith("shape")}
        shapes = {(size - 1,), (size + 1,), (size - 1, size), (size, size + 1), (1, size, size)}
        shapes |= {(size - 1, size - 1), (size + 1, size + 1), (size, 1), (1, size), (0,), (0, 0)}
        bad |= {f"shape {s}": np.eye(*s) if len(s) == 2 else np.ones(s) for s in shapes}
        return bad | self.wrong_variances(size) | self.wrong_matrices(size)

    def wrong_variances(self, size):
        bad = {}
        for value in (0.0, -0.0, -SMALLEST, -1.0, NAN, INF, -INF):
            bad[f"variance {value}"] = value
            for place in (0, -1):
                bad[f"variance {value} at {place}"] = changed = np.ones(size)
                changed[place] = value
                bad[f"variance {value} at {place}, full"] = np.diag(changed)
        return bad

    def wrong_matrices(self, size):
        bad = {f"{k}, but for asymmetry": v[1] for k, v in asymmetric(size).items()}
        singular, indefinite = np.eye(size), np.eye(size)
        singular[:2, :2] = 1.0
        indefinite[0, -1] = indefinite[-1, 0] = np.nextafter(1.0, 2.0)
        return bad | {"singular": singular, "indefinite": indefinite, "negative": -np.eye(size)}

    def right(self, sound):
        size = len(sound)
        good = super().right(sound)
        scales = (1.0, 2.0**600, 2.0**-600) if self.extreme else (1.0,)
        for key, (forgiven, _) in asymmetric(size, scales).items():
            good[f"{key}, all but symmetric"] = forgiven
        near = np.eye(size)
        near[0, -1] = near[-1, 0] = np.nextafter(1.0, 0.0)
        if self.extreme:
            good["all but singular"] = near
            for value in (SMALLEST, TINY, LARGEST):
                good |= {f"variance {value}": value, f"variances {value}": np.full(size, value)}
                good[f"{value} I"] = value * np.eye(size)
        return good | {"one": 1, "ones": np.ones(size, dtype=int), "bools": np.eye(size) > 0}


def asymmetric(size, scales=(1.0, 2.0**600, 2.0**-600)):
    """Matrices whose first or last pair of entries differs by as much as is forgiven, and by one
    unit in the last place more: halves and ones, so that the difference is exact."""
    pairs = {}
    for i, j in ((0, size - 1), (size - 1, 0), (size - 2, size - 1)):
        forgiven = np.eye(size)
        forgiven[i, j] = forgiven[j, i] = 0.5
        forgiven[i, j] += ASYMMETRY
        if forgiven[i, j] - 0.5 > ASYMMETRY:
            forgiven[i, j] = np.nextafter(forgiven[i, j], 0.0)
        beyond = forgiven.copy()
        beyond[i, j] = np.nextafter(forgiven[i, j], 1.0)
        assert forgiven[i, j] - 0.5 <= ASYMMETRY < beyond[i, j] - 0.5
        for scale in scales:  # what is forgiven is relative to the largest entry
            pairs[f"entry {i}, {j} times {scale:g}"] = scale * forgiven, scale * beyond
    return pairs


@dataclass(frozen=True)
class Covariances(Kind):
    """One covariance for each of N data: (N, S, S), or (N, S) variances."""

    def wrong(self, sound):
        count, size = len(sound), len(sound[0])
        bad = {}
        one = Covariance()
        for key, value in {**one.wrong_variances(size), **one.wrong_matrices(size)}.items():
            for place in (0, -1):
                if np.ndim(value):
                    each = np.ones(size) if np.ndim(value) == 1 else np.eye(size)
                    bad[f"{key}, datum {place}"] = stack = np.array([each] * count)
                    stack[place] = value
        for shape in ((count, size), (count, size, size)):
            for axis, n in enumerate(shape):
                for m in (n - 1, n + 1):
                    s = (*shape[:axis], m, *shape[axis + 1 :])
                    bad[f"shape {s}"] = np.ones(s) if len(s) == 2 else np.ones(s) * np.eye(*s[1:])
        bad |= {"shape ()": 1.0, "shape (S,)": np.ones(size), "one axis more": np.ones((1, *shape))}
        return bad | NO_NUMBERS

    def right(self, sound):
        count, size = len(sound), len(sound[0])
        good = {k: np.array([v[0]] * count) for k, v in asymmetric(size, (1.0,)).items()}
        return good | {"integers": np.ones((count, size), dtype=int)}


@dataclass(frozen=True)
class Count(Kind):
    """An integer from `least` to `most`; more: others that are accepted."""

    least: int = 1
    most: int | None = None
    more: tuple[Any, ...] = ()

    def wrong(self, sound):
        bad = [self.least - 1, np.int64(self.least - 1), -1, -(10**30), 1.5, float(self.least)]
        bad += [np.float64(self.least), True, np.True_, "3", NAN, INF, 1j, [3], np.array([3]), {}]
        bad += [None] if None not in self.more else []
        bad += [self.most + 1, 10**30] if self.most is not None else []
        return {f"{type(value).__name__} {value}": value for value in bad}

    def right(self, sound):
        good = [self.least, np.int64(self.least), np.uint8(self.least), *self.more]
        good += [self.most] if self.most is not None else []
        return {f"{type(value).__name__} {value}": value for value in good}


@dataclass(frozen=True)
class Groups(Count):
    """An integer of which the other arguments leave one value."""

    def right(self, sound):
        return {"int": sound, "int64": np.int64(sound)}


@dataclass(frozen=True)
class Single(Count):
    """The same, or a list of one."""

    def wrong(self, sound):
        bad = super().wrong(sound)
        del bad["list [3]"]
        return bad | {"two": [1, 1], "none": ()}

    def right(self, sound):
        return super().right(sound) | {"list": [self.least], "tuple": (self.least,)}


@dataclass(frozen=True)
class Pair(Kind):
    """An integer or two of at least `least` and at most `most`."""

    least: int = 1
    optional: bool = False
    most: int | None = None

    def wrong(self, sound):
        one = Count(self.least, self.most, (None,) if self.optional else ())
        bad = {k: v for k, v in one.wrong(sound).items() if k != "list [3]"}
        for key, value in Count(self.least, self.most).wrong(sound).items():
            bad |= {f"({key}, 1)": (value, 1), f"(1, {key})": [1, value]}
        return bad | {"one in a list": [1], "three": (1, 1, 1), "none": ()}

    def right(self, sound):
        good = {"least": self.least, "two": (self.least, self.least), "list": [self.least] * 2}
        return good | ({} if self.most is None else {"most": self.most, "both": [self.most] * 2})


@dataclass(frozen=True)
class Number(Kind):
    """A number in [low, high]; run: whether the ends may be tried, which training at a tolerance of
    1e308 may, but a prior of scale 1e308 on a fit may not."""

    low: float
    high: float = INF

    def wrong(self, sound):
        bad = [np.nextafter(self.low, -INF), self.low - 1.0, NAN, INF, -INF, True, np.False_]
        bad += ["0.5", b"1", 0.5j, None, [0.5], np.array([0.5]), (), {}, "half", np.sin]
        bad += [np.nextafter(self.high, INF), self.high + 1.0] if self.high < INF else []
        return {f"{type(value).__name__} {value}": value for value in bad}

    def right(self, sound):
        good = [self.low, min(self.high, LARGEST), np.float64(sound), np.array(sound)]
        good += [np.float32(sound)] if self.low < np.float32(sound) < self.high else []
        return {f"{type(value).__name__} {value}": value for value in good}


@dataclass(frozen=True)
class AnyNumber(Kind):
    """A finite number, of any size and sign; rows: an array of them will do as well."""

    rows: bool = False

    def wrong(self, sound):
        bad = {k: v for k, v in Number(0.0).wrong(sound).items() if not isinstance(v, float)}
        arrays = ("list [0.5]", "ndarray [0.5]") if self.rows else ()
        loose = {"bool True", "bool False", *arrays} if self.rows else set()
        found = {k: v for k, v in bad.items() if k not in loose}
        return found | {"NaN": NAN, "inf": INF, "-inf": -INF}

    def right(self, sound):
        good = [-LARGEST, LARGEST, np.float64(sound), np.array(sound), np.float32(0.5), 0, -2]
        return {f"{type(value).__name__} {value}": value for value in good}


@dataclass(frozen=True)
class Rows(Numbers):
    """A row of numbers, or a table with a row for each channel."""

    def wrong_shapes(self, shape):
        return ((), (1, *shape, 1), (0,))


@dataclass(frozen=True)
class End(Kind):
    """An end of an interval; infinite where there is none."""

    none: float

    def wrong(self, sound):
        bad = [NAN, -self.none, "0.5", 0.5j, None, [0.5], np.array([0.5]), (), {}, np.sin]
        return {f"{type(value).__name__} {value}": value for value in bad}

    def right(self, sound):
        return {repr(value): value for value in (self.none, np.float64(sound), np.float32(0.5))}


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def wrong(self, sound):
        bad = [None, "", "other", self.words[0].upper(), self.words[0] + " ", [self.words[0]], 0]
        return {repr(value): value for value in bad}

    def right(self, sound):
        return {word: word for word in self.words}


@dataclass(frozen=True)
class Seed(Kind):
    """None, a non-negative integer, or a Generator."""

    def wrong(self, sound):
        bad = [-1, np.int64(-1), 1.5, 1.0, "seed", True, [1, 2], NAN, np.random.RandomState(0)]
        return {repr(value): value for value in bad}

    def right(self, sound):
        good = [None, 0, np.int64(3), 2**70, np.random.default_rng(1)]
        return {repr(value): value for value in good}


@dataclass(frozen=True)
class Something(Kind):
    """One of what is `like`; the others are refused, and the class itself."""

    like: tuple[Any, ...] = ()
    optional: bool = False
    more: tuple[Any, ...] = ()

    def wrong(self, sound):
        bad = [3, 0.5, "name", b"name", [], {}, object(), type(sound), np.sin, *self.more]
        bad += [] if self.optional else [None]
        return {f"{i}: {value!r}": value for i, value in enumerate(bad)}

    def right(self, sound):
        return {repr(value): value for value in (*self.like, *([None] if self.optional else []))}


@dataclass(frozen=True)
class Places(Kind):
    """A list of indices below `most`."""

    most: int

    def wrong(self, sound):
        bad = [[-1], [self.most], [0.5], [[1]], ["1"], [True], 3, 0.5, "name", None, {}, np.sin]
        return {f"{i}: {value!r}": value for i, value in enumerate(bad)}

    def right(self, sound):
        return {repr(value): value for value in ([0], [], (1, 1), np.array([self.most - 1]))}


@dataclass(frozen=True)
class DistinctPlaces(Places):
    """The same, one at least and none twice."""

    def wrong(self, sound):
        bad = [[], (1, 1), [[0], [0, 1]], [True, False]]
        return super().wrong(sound) | {f"not distinct: {value!r}": value for value in bad}

    def right(self, sound):
        return {repr(value): value for value in (tuple(sound), np.array(sound, dtype=np.int8))}


def prior():
    """A prior of the weights."""
    return Something((GaussianPrior(2.0), LaplacePrior(1)), True, more=(ReLU(), GaussianPrior))


@dataclass(frozen=True)
class Function(Kind):
    """A function, or None."""

    def wrong(self, sound):
        return {repr(value): value for value in (3, "print", [print], {}, True)}

    def right(self, sound):
        return {"None": None, "function": lambda *_: None, "class": list_of}


class list_of:
    """A class is a function, too."""

    def __new__(cls, *_):
        return None


@dataclass(frozen=True)
class Names(Kind):
    """A list of known names; empty: whether there may be none."""

    empty: bool = True

    def wrong(self, sound):
        bad = [5, 0.5, "cov_x", b"cov_x", [0], [None], [["cov_x"]], ["mean"], ["7.bias"]]
        bad += [
            ["1.bias"],
            ["1"],
            ["cov_x", "mean"],
            [""],
            ["0."],
            [".bias"],
            ["0.weight.0"],
            [" "],
        ]
        bad += [] if self.empty else [[], ["cov_x", "cov_x"]]
        return {repr(value): value for value in bad}

    def right(self, sound):
        good = [None, ["cov_x"], ("cov_z", "0.bias"), np.array(["2.weight"]), {"cov_x": 1.0}]
        return {repr(value): value for value in good}


@dataclass(frozen=True)
class Mapping(Kind):
    """Arrays by name."""

    def wrong(self, sound):
        bad = [None, [1], 3.0, "0.weight", {"0.bias"}, [("0.bias", 1.0)], {"mean": 1.0}, {0: 1.0}]
        return {repr(value): value for value in [*bad, {None: 1.0}, {"1.bias": [1.0]}]}

    def right(self, sound):
        return {"none": {}}


@dataclass(frozen=True)
class PathName(Kind):
    """The path of a file."""

    optional: bool = False

    def wrong(self, sound):
        bad = [3.5, 1, True, ["net.npz"], b"net.npz", {}, object()] + [None] * (not self.optional)
        return {f"{i}": value for i, value in enumerate(bad)}

    def right(self, sound):
        return {"string": str(sound), "path": Path(sound)}


@dataclass(frozen=True)
class Flag(Kind):
    """True or False."""

    def wrong(self, sound):
        return {repr(value): value for value in ("no", "", 0, 1, None, [], 0.0, [True])}

    def right(self, sound):
        return {repr(value): value for value in (True, False, np.True_)}


@dataclass(frozen=True)
class Integers(Kind):
    """A list of positive integers, from `fewest` to `most` of them, each named by its place."""

    fewest: int = 1
    most: int | None = None

    def wrong(self, sound):
        bad = [None, 3, 2.5, {1, 2}, iter([1, 2]), [1] * (self.fewest - 1), Ellipsis, int]
        bad += [[1] * (self.most + 1)] if self.most is not None else []
        result = {f"{i}: {value!r}": value for i, value in enumerate(bad)}
        for key, value in Count(1).wrong(sound).items():
            for place in (0, -1):
                changed = list(sound)
                changed[place] = value
                result[f"{key} at {place}"] = changed
        return result

    def right(self, sound):
        return {"tuple": tuple(sound), "list": list(sound)}
