"""What is read of a torch module is compared with the module: nothing wrong gets through."""

import copy
import sys
import warnings

import numpy as np
import pytest

from reference import (
    AdaptiveAvgPool,
    AvgPool,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PReLU,
    ReLU,
    Reshape,
    UnverifiedWarning,
    Upsample,
    ZeroPad,
)
from reference.model.readers.from_torch import structure
from reference.model.readers.from_torch.check import check_against_torch
from reference.model.readers.parts import Normalisation

torch = pytest.importorskip("torch")
nn = torch.nn


def on_images(*modules):
    """Modules applied to images 4 x 3 x 2."""
    torch.manual_seed(0)
    first = nn.Linear(2, 24), nn.Unflatten(1, (4, 3, 2))
    return nn.Sequential(*first, *(module() for module in modules))


def on_signals(*modules):
    """The same with signals 4 x 6."""
    torch.manual_seed(0)
    first = nn.Linear(2, 24), nn.Unflatten(1, (4, 6))
    return nn.Sequential(*first, *(module() for module in modules))


def with_statistics(norm):
    """A normalisation in eval mode whose every number is its own."""
    generator = torch.Generator().manual_seed(1)
    for name in ("running_mean", "running_var", "weight", "bias"):
        tensor = getattr(norm, name).data
        tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return norm.eval()


def moved(array, relative=1e-9):
    """The same array but for its last entry."""
    changed = np.array(array)
    changed[(-1,) * changed.ndim] *= 1.0 + relative
    return changed


def weight(layer):
    return layer.with_parameters({"weight": moved(layer.weight)})


def bias(layer):
    return layer.with_parameters({"bias": moved(layer.bias)})


def other(**settings):
    """A convolution with other settings."""

    def change(layer):
        kept = {name: getattr(layer, name) for name in type(layer).settings}
        return type(layer)(layer.weight, layer.bias, **(kept | settings))

    return change


def normalisation(name):
    def change(read):
        kept = {key: getattr(read, key) for key in ("mean", "scale", "bias")}
        return Normalisation(**(kept | {name: moved(kept[name])}))

    return change


# What is read wrongly, and of what: a layer's class, a module, and what is made of the layer.
MISREAD = {
    "weight of Linear": (Dense, on_images(), weight),
    "bias of Linear": (Dense, on_images(), bias),
    "weight of Conv2d": (Conv2d, on_images(lambda: nn.Conv2d(4, 2, 2)), weight),
    "bias of Conv2d": (Conv2d, on_images(lambda: nn.Conv2d(4, 2, 2)), bias),
    "stride of Conv2d": (
        Conv2d,
        on_images(lambda: nn.Conv2d(4, 2, 1, (2, 1))),
        other(stride=(1, 2)),
    ),
    "padding of Conv2d": (
        Conv2d,
        on_images(lambda: nn.Conv2d(4, 2, 2, padding=(1, 0))),
        other(padding=(0, 1)),
    ),
    "dilation of Conv2d": (
        Conv2d,
        on_images(lambda: nn.Conv2d(4, 2, (2, 1), padding=(1, 0), dilation=(2, 1))),
        other(dilation=(1, 2), padding=(0, 0)),
    ),
    "groups of Conv2d": (
        Conv2d,
        on_images(lambda: nn.Conv2d(4, 4, 1, groups=4)),
        lambda layer: Conv2d(np.repeat(layer.weight, 4, axis=1), layer.bias),
    ),
    "weight of ConvTranspose2d": (
        ConvTranspose2d,
        on_images(lambda: nn.ConvTranspose2d(4, 2, 2)),
        weight,
    ),
    "output_padding of ConvTranspose2d": (
        ConvTranspose2d,
        on_images(lambda: nn.ConvTranspose2d(4, 2, 2, 2, 0, (1, 0))),
        other(output_padding=(0, 1)),
    ),
    "padding of ConvTranspose2d": (
        ConvTranspose2d,
        on_images(lambda: nn.ConvTranspose2d(4, 2, 3, padding=1)),
        other(padding=(0, 0)),
    ),
    "weight of Conv1d": (Conv1d, on_signals(lambda: nn.Conv1d(4, 2, 3)), weight),
    "stride of ConvTranspose1d": (
        ConvTranspose1d,
        on_signals(lambda: nn.ConvTranspose1d(4, 2, 3, stride=2)),
        other(stride=1),
    ),
    "slope of LeakyReLU": (
        LeakyReLU,
        on_images(lambda: nn.LeakyReLU(1.5)),
        lambda layer: LeakyReLU(1.5 * (1 + 1e-9)),
    ),
    "slope of PReLU": (
        PReLU,
        on_images(lambda: nn.PReLU(4)),
        lambda layer: PReLU(moved(layer.slope)),
    ),
    "ReLU": (ReLU, on_images(nn.ReLU), lambda layer: LeakyReLU(1e-9)),
    "upper end of ReLU6": (
        Hardtanh,
        on_images(nn.ReLU6),
        lambda layer: Hardtanh(0.0, 6.0 * (1 + 1e-9)),
    ),
    "lower end of Hardtanh": (
        Hardtanh,
        on_images(lambda: nn.Hardtanh(-2.0, 0.5)),
        lambda layer: Hardtanh(-2.0 * (1 + 1e-9), 0.5),
    ),
    "an end far away": (
        Hardtanh,
        on_images(lambda: nn.Hardtanh(-1e6, 1e6)),
        lambda layer: Hardtanh(-1e6, 1e6 + 1),
    ),
    "slope of Hardsigmoid": (
        Hardsigmoid,
        on_images(nn.Hardsigmoid),
        lambda layer: Hardsigmoid(1 / 6 * (1 + 1e-9)),
    ),
    "window of MaxPool2d": (
        MaxPool,
        on_images(lambda: nn.MaxPool2d((2, 1), 1)),
        lambda layer: MaxPool((1, 2), 1),
    ),
    "padding of AvgPool2d": (
        AvgPool,
        on_images(lambda: nn.AvgPool2d(2, 1, (1, 0))),
        lambda layer: AvgPool(2, 1, (0, 1)),
    ),
    "size of AdaptiveAvgPool2d": (
        AdaptiveAvgPool,
        on_images(lambda: nn.AdaptiveAvgPool2d((2, 1))),
        lambda layer: AdaptiveAvgPool((1, 2)),
    ),
    "side of ZeroPad2d": (
        ZeroPad,
        on_images(lambda: nn.ZeroPad2d((1, 0, 0, 0))),
        lambda layer: ZeroPad((0, 1, 0, 0)),
    ),
    "factor of Upsample": (
        Upsample,
        on_images(lambda: nn.Upsample(scale_factor=(2, 3))),
        lambda layer: Upsample((3, 2)),
    ),
    "mode of Upsample": (
        Upsample,
        on_images(lambda: nn.Upsample(scale_factor=2, mode="bilinear")),
        lambda layer: Upsample(2),
    ),
    "corners of Upsample": (
        Upsample,
        on_images(lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
        lambda layer: Upsample(2, "bilinear"),
    ),
    "order of PixelShuffle": (
        structure.layers_of_module("PixelShuffle", nn.PixelShuffle(2), (4, 3, 2))[0].__class__,
        on_images(lambda: nn.PixelShuffle(2)),
        lambda layer: Reshape((1, 6, 4)),
    ),
    "shape of Unflatten": (Reshape, on_images(), lambda layer: Reshape((4, 2, 3))),
    **{
        f"{name} of BatchNorm2d": (
            Normalisation,
            on_images(lambda: with_statistics(nn.BatchNorm2d(4))),
            normalisation(name),
        )
        for name in ("mean", "scale", "bias")
    },
}


@pytest.mark.parametrize("precision", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("what", MISREAD)
def test_what_is_misread_is_found(monkeypatch, what, precision):
    """Settings of one axis taken for those of the other; numbers wrong by 1e-9 of their size."""
    kind, module, change = MISREAD[what]
    module = copy.deepcopy(module).to(precision)
    Network.from_torch(module)
    read = structure.layers_of_module

    def misread(name, part, shape):
        found = read(name, part, shape)
        if isinstance(found, Normalisation):
            return change(found) if kind is Normalisation else found
        return [change(layer) if isinstance(layer, kind) else layer for layer in found]

    monkeypatch.setattr(structure, "layers_of_module", misread)
    place = r"module\[\d\] \(" + what.rsplit(maxsplit=1)[-1] if " of " in what else r"module\["
    with pytest.raises(ValueError, match=f"(?s)^{place}.*when it runs"):
        Network.from_torch(module)


def test_a_layer_of_the_network_that_is_not_that_of_the_part():
    """What goes wrong between the parts and the network is seen by the whole."""
    module = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    reading = structure.read_torch(module)
    first, relu, last = Network(reading.layers).layers
    check_against_torch(module, reading, [first, relu, last])
    with pytest.raises(ValueError, match=r"^module: when it runs, it differs .* at z = \["):
        check_against_torch(module, structure.read_torch(module), [first, relu, weight(last)])


def test_one_side_of_one_unit():
    """A unit of 300 whose slope is wrong on one side, which no drawn point sees."""
    module = nn.Sequential(nn.Linear(2, 300), nn.ReLU(), nn.Linear(300, 2)).double()
    with torch.no_grad():
        module[0].bias[7] = 200.0
        module[0].weight[7] = torch.tensor([0.5, -0.3])
    reading = structure.read_torch(module)
    first, _, last = Network(reading.layers).layers
    slopes = np.zeros(300)
    slopes[7] = 1e-6
    layers = [first, PReLU(slopes).placed((300,)), last]
    with pytest.raises(ValueError, match=r"^module: when it runs, it differs"):
        check_against_torch(module, reading, layers)


class Doubling(nn.Sequential):
    """Its parts in order, and something more where one of them is far out."""

    def __call__(self, inputs):
        output = super().__call__(inputs)
        return output + (inputs[:, :1] > 2.5)


def test_parts_that_agree_and_a_whole_that_does_not():
    """Tracing cannot see what a class does outside of its forward."""
    module = Doubling(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    with pytest.raises(ValueError, match=r"^module: .* something else than its parts in order"):
        Network.from_torch(module)


def test_torchs_own_class_changed(monkeypatch):
    module = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    Network.from_torch(module)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, h: torch.clamp(h, min=0, max=50.0))
    with pytest.raises(ValueError, match=r"^module\[1\] \(ReLU\): when it runs, it differs"):
        Network.from_torch(module)


class Unsteady(nn.Module):
    """Counts its runs, and draws numbers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, z):
        self.runs += 1
        return self.linear(z) + 0.0 * torch.rand(())


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).train(),
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(2, 3)).eval(),
        Unsteady,
    ],
    ids=["training", "spectral norm", "with a state"],
)
def test_the_module_is_left_as_it_was(make):
    """Its parameters, buffers, hooks and flags, and the state of torch's random numbers."""
    torch.manual_seed(3)
    module = make()
    module.register_buffer("own", torch.ones(2))
    before = copy.deepcopy(module.state_dict())
    attributes = [dict(vars(part)) for part in module.modules()]
    flags = [part.training for part in module.modules()]
    pointers = [tensor.data_ptr() for tensor in module.state_dict().values()]
    state = torch.random.get_rng_state()
    gradient = torch.is_grad_enabled()
    Network.from_torch(module)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled() == gradient
    assert [part.training for part in module.modules()] == flags
    assert [tensor.data_ptr() for tensor in module.state_dict().values()] == pointers
    assert [list(vars(part)) for part in module.modules()] == [list(entry) for entry in attributes]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_an_old_weight_norm_is_left_as_it_was():
    """Its weight is computed from others; the one that it holds keeps its gradient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        module = nn.utils.weight_norm(nn.Linear(2, 3)).eval()
    weight = module.weight
    Network.from_torch(module)
    assert module.weight is weight
    assert weight.grad_fn is not None


def test_inputs_are_not_changed_by_modules_in_place():
    """The points are compared as they were before a module changed them."""
    module = nn.Sequential(nn.Unflatten(1, (2,)), nn.LeakyReLU(0.5, inplace=True), nn.Linear(2, 2))
    Network.from_torch(module.double())


class OnlySingle(nn.Module):
    """Cannot be run in double precision: a constant of its own is in single."""

    def __init__(self):
        super().__init__()
        self.matrix = [torch.tensor([[1.0, -2.0]])]
        self.linear = nn.Linear(2, 2)

    def forward(self, z):
        return torch.matmul(self.linear(z), self.matrix[0].T)


def test_where_double_precision_cannot_be_run_its_own_tells(monkeypatch):
    """No warning: it was compared, as closely as its own rounding allows."""
    network = Network.from_torch(OnlySingle())
    assert network.sizes == (2, 2, 1)
    read = structure.layers_of_module
    monkeypatch.setattr(
        structure,
        "layers_of_module",
        lambda *given: [layer.with_parameters({"bias": [1e-3, 0.0]}) for layer in read(*given)],
    )
    with pytest.raises(ValueError, match="when it runs"):
        Network.from_torch(OnlySingle())


def test_values_beyond_the_range_of_single_precision():
    """Nothing is left to compare."""
    module = OnlySingle()
    with torch.no_grad():
        module.linear.bias.fill_(1e38)
    with pytest.warns(UnverifiedWarning, match="leave the range of its numbers") as caught:
        Network.from_torch(module)
    assert [warning.filename for warning in caught] == [__file__]


class Raising(nn.Sequential):
    def __call__(self, inputs):
        raise RuntimeError("no such kernel")


def test_what_cannot_be_run_is_said_to_be_unverified():
    module = Raising(nn.Linear(2, 3), nn.ReLU())
    with pytest.warns(UnverifiedWarning, match=r"could not be run \(no such kernel\)"):
        network = Network.from_torch(module)
    assert network.sizes == (2, 3, 3)


def test_parts_that_cannot_be_run_alone(monkeypatch):
    """Then units that no point saw on both sides count, and are told by their layers."""
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        module[0].weight[:2] = 0.0

    def forward(self, inputs):
        if len(inputs) == 1:
            raise RuntimeError("too few")
        return torch.relu(inputs)

    monkeypatch.setattr(nn.ReLU, "forward", forward)
    reading = structure.read_torch(module)
    reading.parts.parts[1].__dict__["run"] = Raising()
    told = r"module\[1\] \(ReLU\) could not be run alone.* 2 of 4 of layers\[1\] \(ReLU\(\)\)"
    with pytest.warns(UnverifiedWarning, match=told):
        check_against_torch(module, reading, Network(reading.layers).layers)


def test_no_warning_for_units_that_stay_on_one_side():
    """They are compared part by part, on both sides."""
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        module[0].weight[:2] = 0.0
    Network.from_torch(module)


def test_stand_ins_are_told_apart_where_there_is_no_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.warns(UnverifiedWarning, match=r"no torch\.nn\.Module"):
        Network.from_torch(nn.Linear(2, 2))


@pytest.mark.parametrize("precision", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("seed", range(20))
def test_what_is_right_is_not_refused(seed, precision):
    """Random decoders with weights of very different sizes: no rounding error is taken for one."""
    rng = np.random.default_rng([98, seed])
    torch.manual_seed(seed)
    width = int(rng.integers(1, 200))
    modules = [nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU(), nn.BatchNorm1d(width)]
    modules += [nn.Linear(width, 27), nn.PReLU(27), nn.Unflatten(1, (3, 3, 3))]
    modules += [nn.ConvTranspose2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU6()]
    modules += [nn.Conv2d(8, 2, 3, padding=1), nn.Hardtanh(-3.0, 2.0)]
    module = nn.Sequential(*modules)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 10.0 ** rng.uniform(-2, 2)
        for _ in range(3):
            module(torch.randn(64, 3) + 3.0)
    Network.from_torch(module.to(precision).eval())
