"""Which modules a torch module is made of: wrappers, graphs, and weights that are computed."""

import inspect
import warnings

import numpy as np
import pytest

from reference import (
    Conv2d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    Network,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
)
from reference.model.readers.from_torch.functions import KNOWN, as_module

torch = pytest.importorskip("torch")
nn = torch.nn
functional = nn.functional
parametrize = nn.utils.parametrize


def kinds(network):
    return [type(layer) for layer in network.layers]


def assert_read(module, size=2):
    """Read, with the module's values in double precision; return the network."""
    network = Network.from_torch(module.double())
    Z = 2.0 * np.random.default_rng(0).standard_normal((30, size))
    with torch.no_grad():
        expected = module(torch.from_numpy(Z)).numpy().reshape(30, -1)
    atol = 1e-13 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(network(Z), expected, rtol=0, atol=atol)
    return network


class Of(nn.Module):
    """A module of what is given, whose forward is a function of it and its input."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.does = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, z):
        return self.does(self, z)


# Wrappers and graphs


def test_a_module_that_wraps_a_sequential():
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    assert kinds(assert_read(Of(lambda self, z: self.net(z), net=net))) == [Dense, ReLU, Dense]
    inner = Of(lambda self, z: self.net(z), net=net)
    outer = nn.Sequential(inner, nn.Hardtanh())
    assert kinds(assert_read(outer)) == [Dense, ReLU, Dense, Hardtanh]


def test_children_in_another_order_than_they_were_made():
    module = Of(
        lambda self, z: self.first(torch.relu(self.last(z))),
        first=nn.Linear(4, 3),
        last=nn.Linear(2, 4),
    )
    assert kinds(assert_read(module)) == [Dense, ReLU, Dense]


def test_modules_of_a_list():
    def forward(self, z):
        for block in self.blocks:
            z = functional.relu(block(z))
        return z

    blocks = nn.ModuleList([nn.Linear(2, 4), nn.Linear(4, 3)])
    assert kinds(assert_read(Of(forward, blocks=blocks))) == [Dense, ReLU, Dense, ReLU]


def test_graph_modules():
    net = nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 3)))
    assert kinds(assert_read(torch.fx.symbolic_trace(net))) == [Dense, ReLU, Dense]
    wrapped = torch.fx.symbolic_trace(Of(lambda self, z: self.net(z).clamp(min=0.5), net=net))
    assert kinds(assert_read(nn.Sequential(wrapped))) == [Dense, ReLU, Dense, Hardtanh]


def test_a_graph_module_whose_code_is_not_its_graph():
    traced = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 4), nn.ReLU()))
    output = next(node for node in traced.graph.nodes if node.op == "output")
    output.args = (next(node for node in traced.graph.nodes if node.name == "_0"),)
    with pytest.raises(ValueError, match=r"call \.recompile\(\)"):
        Network.from_torch(traced)
    traced.recompile()
    assert kinds(assert_read(traced)) == [Dense]


def test_batch_norm_is_folded_across_wrappers_only_where_nothing_else_is_used():
    norm, other = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    with torch.no_grad():
        for module in (norm, other):
            module.running_mean += torch.randn(4)
            module.running_var += torch.rand(4)
    linear = Of(lambda self, z: self.linear(z), linear=nn.Linear(2, 4))
    assert kinds(assert_read(nn.Sequential(linear, norm).eval())) == [Dense]

    def forked(self, z):
        h = self.linear(z)
        return h + self.norm(h)

    network = assert_read(Of(forked, linear=linear, norm=other).eval())
    assert len(network.layers) > 3


# Functions


def images(function):
    """A function of images 4 x 3 x 2 in the midst of a forward."""
    first = nn.Sequential(nn.Linear(2, 24), nn.Unflatten(1, (4, 3, 2)))
    return Of(lambda self, z: function(self.first(z)), first=first)


WEIGHT = torch.linspace(-1.0, 1.0, 4 * 2 * 2 * 2, dtype=torch.float64)
FUNCTIONS = {
    "relu": (lambda h: functional.relu(h), ReLU),
    "torch.relu": (torch.relu, ReLU),
    "relu method": (lambda h: h.relu(), ReLU),
    "relu in place": (lambda h: h.clone().relu_(), ReLU),
    "leaky_relu": (lambda h: functional.leaky_relu(h, 0.3), LeakyReLU),
    "prelu": (
        lambda h: functional.prelu(h, torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=h_type)),
        PReLU,
    ),
    "relu6": (functional.relu6, ReLU6),
    "hardtanh": (lambda h: functional.hardtanh(h, -0.5, 2.0), Hardtanh),
    "clamp": (lambda h: torch.clamp(h, min=-0.25), Hardtanh),
    "clip": (lambda h: h.clip(-1.0, 0.5), Hardtanh),
    "clamp_max": (lambda h: h.clamp_max(0.5), Hardtanh),
    "hardsigmoid": (functional.hardsigmoid, Hardsigmoid),
    "abs": (lambda h: abs(h), None),
    "torch.abs": (torch.abs, None),
    "flatten": (lambda h: h.flatten(1), Flatten),
    "view": (lambda h: h.view(h.size(0), -1), Flatten),
    "view of sizes": (lambda h: h.view(h.shape[0], h.size(1) * 3, 2, 1), Reshape),
    "reshape": (lambda h: torch.reshape(h, (-1, 2, 12)), Reshape),
    "reshape of a size": (lambda h: h.reshape((h.size()[0], 6, -1)), Reshape),
    "unflatten": (lambda h: h.flatten(1).unflatten(1, (2, 12)), Reshape),
    "conv2d": (lambda h: functional.conv2d(h, WEIGHT.view(2, 4, 2, 2), padding=1), Conv2d),
    "conv_transpose2d": (
        lambda h: functional.conv_transpose2d(h, WEIGHT.view(4, 2, 2, 2), stride=(1, 2)),
        None,
    ),
    "max_pool2d": (lambda h: functional.max_pool2d(h, (2, 1), 1), None),
    "avg_pool2d": (lambda h: functional.avg_pool2d(h, 2, stride=1), None),
    "adaptive_avg_pool2d": (lambda h: functional.adaptive_avg_pool2d(h, (1, 2)), None),
    "conv2d of all settings": (
        lambda h: functional.conv2d(
            h, WEIGHT[:16].view(4, 2, 2, 1), WEIGHT[:4], (1, 2), (1, 0), (2, 1), 2
        ),
        Conv2d,
    ),
    "conv_transpose2d of all settings": (
        lambda h: functional.conv_transpose2d(
            h, WEIGHT[:16].view(4, 2, 2, 1), WEIGHT[:4], (2, 3), (1, 0), (0, 1), 2, (1, 2)
        ),
        None,
    ),
    "max_pool2d of all settings": (
        lambda h: functional.max_pool2d(h, (2, 1), (1, 1), (1, 0), 1, False),
        None,
    ),
    "avg_pool2d of all settings": (
        lambda h: functional.avg_pool2d(h, (2, 1), (1, 2), (1, 0), False, True),
        None,
    ),
    "pixel_shuffle": (lambda h: functional.pixel_shuffle(h, 2), None),
    "interpolate": (lambda h: functional.interpolate(h, scale_factor=2, mode="bilinear"), None),
    "interpolate to a size": (lambda h: functional.interpolate(h, size=(6, 4)), None),
    "pad": (lambda h: functional.pad(h, (1, 0, 0, 2)), None),
    "dropout": (lambda h: functional.dropout(h, 0.5, training=False).contiguous(), None),
    "a sum with a number": (lambda h: 1.5 - h, None),
    "a product with a number": (lambda h: 3 * h / 2, None),
    "negative": (lambda h: -h, None),
    "a sum of channels": (lambda h: h - WEIGHT[:4].view(1, 4, 1, 1), None),
    "a product of channels": (lambda h: h.mul(WEIGHT[:4].view(4, 1, 1)), None),
    "a sum of branches": (lambda h: torch.relu(h) + 2 * h, None),
    "a difference of branches": (lambda h: torch.relu(h) - torch.relu(-h), None),
    "a sum within a sum": (lambda h: h + torch.relu(h + torch.abs(h - 1)), None),
}
h_type = torch.float64


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, kind = FUNCTIONS[name]
    network = assert_read(images(function))
    if kind is not None:
        assert kind in kinds(network)


def arguments_of(name):
    """The arguments of a function after its input; None of a builtin one, without a signature."""
    try:
        signature = inspect.signature(getattr(functional, name, getattr(torch, name, None)))
    except (TypeError, ValueError):
        return None
    first, *others = signature.parameters.values()
    return None if first.kind is first.VAR_POSITIONAL else others


@pytest.mark.parametrize("name", [name for name in KNOWN if arguments_of(name) is not None])
def test_arguments_of_functions(name):
    """Their names, order and defaults are torch's."""
    arguments = arguments_of(name)
    given = {p.name: p.default for p in arguments if p.default is not p.empty}
    required = {p.name: 1 for p in arguments if p.default is p.empty}
    (_, by_order) = as_module(name, list({**required, **given}.values()), {}, 1)
    (_, by_name) = as_module(name, [], {**required, **given}, 1)
    (_, by_default) = as_module(name, [], required, 1)
    assert vars(by_order) == vars(by_name) == vars(by_default)


def test_functions_of_weights():
    """Linear maps whose weights are parameters, as they are or computed from them."""

    class Equalised(nn.Module):
        """Weights are scaled by the number of inputs when it runs."""

        def __init__(self, n_in, n_out):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(n_out, n_in))
            self.bias = nn.Parameter(torch.randn(n_out))

        def forward(self, h):
            scale = 1 / self.weight.shape[1] ** 0.5
            return functional.linear(h, self.weight * scale, bias=self.bias)

    module = nn.Sequential(Equalised(2, 4), nn.ReLU(), Equalised(4, 3))
    network = assert_read(module)
    np.testing.assert_array_equal(
        network.layers[0].weight, (module[0].weight * (1 / 2**0.5)).detach().numpy()
    )


def test_functions_of_statistics():
    def forward(self, z):
        n = self.norm
        return functional.batch_norm(
            self.linear(z), n.running_mean, n.running_var, n.weight, n.bias, eps=0.5
        )

    assert_read(Of(forward, linear=nn.Linear(2, 4), norm=nn.BatchNorm1d(4).eval()))


REFUSED_FUNCTIONS = {
    "sigmoid in its forward: this is not piecewise affine; .* logits": torch.sigmoid,
    "tanh in its forward: this is not piecewise affine": lambda h: h.tanh(),
    "softmax in its forward: this is not": lambda h: functional.softmax(h, dim=1),
    "group_norm in its forward: this divides": lambda h: functional.group_norm(h, 2),
    "mul in its forward: mul of two values": lambda h: h * h,
    "truediv in its forward: a constant divided": lambda h: 1.0 / h,
    "cat in its forward: this function is not supported": lambda h: torch.cat([h, h]),
    "sum_1 in its forward: this function": lambda h: h.sum(1),
    "flatten in its forward: .*start_dim": lambda h: torch.flatten(h),
    "reshape in its forward: .* not one of each row": lambda h: h.reshape(3, -1),
    "reshape in its forward: .*one of each row": lambda h: h.reshape(-1, 5),
    "dropout in its forward: .*training mode": lambda h: functional.dropout(h),
    "pad in its forward: .*zeros": lambda h: functional.pad(h, (1, 1, 1, 1), value=1.0),
    "add in its forward: .*within a channel": lambda h: h + WEIGHT[:2],
    "add in its forward: adds values of shapes": lambda h: h + functional.interpolate(h, size=6),
    "add in its forward: add with .'alpha'.": lambda h: torch.add(h, h, alpha=2),
    r"getattr_1 in its forward: \.device": lambda h: torch.relu(h).to(h.device),
    "cannot be traced .*conditions": lambda h: h if h.sum() > 0 else -h,
    "expected one tensor": lambda h: (h, h),
    "_relu in its forward: |^module": lambda h: relu(h),
}


def relu(h):
    """A user's function of a known name: it is traced through, and does something else."""
    return torch.relu(h).sin()


@pytest.mark.parametrize("told", REFUSED_FUNCTIONS)
def test_functions_that_are_refused(told):
    with pytest.raises(ValueError, match=told) as raised:
        Network.from_torch(images(REFUSED_FUNCTIONS[told]).double())
    assert str(raised.value).startswith("module (Of)")


def test_changes_of_precision():
    """What passes through single precision is compared to its rounding."""
    first = nn.Linear(2, 3)
    assert kinds(Network.from_torch(Of(lambda self, z: self.first(z).float(), first=first))) == [
        Dense
    ]
    double = Of(lambda self, z: self.first(z.double()).relu(), first=first.double())
    assert kinds(assert_read(double)) == [Dense, ReLU]


def test_a_wrapped_function_of_a_known_name():
    """torch.fx leaves it as one call: what it does is not told by what it is called."""
    graph = torch.fx.Graph()
    z = graph.placeholder("z")
    graph.output(graph.call_function(relu, (graph.call_module("0", (z,)),)))
    module = torch.fx.GraphModule(nn.Sequential(nn.Linear(2, 3)), graph)
    with pytest.raises(ValueError, match="relu in its forward: this function is not supported"):
        Network.from_torch(module)


def test_two_inputs():
    class Conditional(nn.Module):
        def forward(self, z, label):
            return z + label

    with pytest.raises(ValueError, match="label in its forward: expected a module of one input"):
        Network.from_torch(Conditional())


def test_modules_of_two_inputs():
    bilinear = Of(lambda self, z: self.part(z, z), part=nn.Bilinear(2, 2, 3))
    with pytest.raises(ValueError, match=r"part in its forward: expected a module of one input"):
        Network.from_torch(bilinear)


def test_values_changed_in_place_after_they_were_used():
    """The graph says relu(h) + h, the module gives relu(h) + relu(h)."""

    def forward(self, z):
        h = self.linear(z)
        return self.relu(h) + h

    module = Of(forward, linear=nn.Linear(2, 3), relu=nn.ReLU(inplace=True))
    with pytest.raises(ValueError, match="something else than its parts"):
        Network.from_torch(module)


def test_branches_that_cross():
    def forward(self, z):
        h = self.first(z)
        positive, negative = torch.relu(h), torch.relu(-h)
        return self.last(positive + negative) + positive

    module = Of(forward, first=nn.Linear(2, 3), last=nn.Linear(3, 3))
    told = r"^module \(Of\), relu in its forward: branches that are added cross"
    with pytest.raises(ValueError, match=told):
        Network.from_torch(module)


def test_values_that_are_not_used():
    """What is computed and left is not read; what it changed in place is found."""

    def forward(self, z):
        h = self.linear(z)
        h - 1.0
        return h

    def in_place(self, z):
        h = self.linear(z)
        h.add_(1.0)
        return h

    assert kinds(assert_read(Of(forward, linear=nn.Linear(2, 3)))) == [Dense]
    with pytest.raises(ValueError, match="something else than its parts"):
        Network.from_torch(Of(in_place, linear=nn.Linear(2, 3)))


# Users' classes under the names of torch's


def users_class(base, forward):
    """A class of the same name, which derives from torch's."""
    return type(base.__name__, (base,), {"forward": forward, "__module__": "users"})


def equalised(self, h):
    return functional.linear(h, self.weight * (1 / self.in_features**0.5), self.bias)


def with_gain(self, h):
    return functional.leaky_relu(h, self.negative_slope) * 2**0.5


def with_gain_before(self, h):
    return functional.leaky_relu(h * 2**0.5, self.negative_slope)


def with_skip(self, h):
    return h + nn.Sequential.forward(self, h)


def transposed(self, h):
    return h @ self.weight + self.bias


TRACED = {
    "equalised Linear": lambda: users_class(nn.Linear, equalised)(2, 3),
    "LeakyReLU with a gain": lambda: nn.Sequential(
        nn.Linear(2, 3), users_class(nn.LeakyReLU, with_gain)(0.2)
    ),
    "LeakyReLU with a gain before": lambda: nn.Sequential(
        nn.Linear(2, 3), users_class(nn.LeakyReLU, with_gain_before)(0.2)
    ),
    "Sequential with a skip": lambda: nn.Sequential(
        nn.Linear(2, 3),
        users_class(nn.Sequential, with_skip)(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)),
    ),
    "Linear of (in, out)": lambda: users_class(nn.Linear, transposed)(2, 2),
    "Linear that does nothing else": lambda: type("Linear", (nn.Linear,), {})(2, 3),
}


@pytest.mark.parametrize("name", TRACED)
def test_users_classes_are_traced(name):
    """Not believed by their names: what they do is read."""
    torch.manual_seed(0)
    assert_read(TRACED[name]())


def halved(self, h):
    return nn.BatchNorm1d.forward(self, h) / 2


def test_users_classes_that_cannot_be_traced():
    norm = users_class(nn.BatchNorm1d, halved)(3).eval()
    with pytest.raises(ValueError, match=r"^module\[1\] \(BatchNorm1d\): .* cannot be traced"):
        Network.from_torch(nn.Sequential(nn.Linear(2, 3), norm))


def doubled(module, arguments, output):
    return 2 * output


REFUSED_OBJECTS = {
    "forward hooks": lambda module: module.register_forward_hook(doubled),
    "forward hooks ": lambda module: module.register_forward_pre_hook(lambda m, z: 2 * z[0]),
    "its forward was replaced": lambda module: setattr(module, "forward", torch.tanh),
}


@pytest.mark.parametrize("told", REFUSED_OBJECTS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_was_put_on_one_object_is_refused(told, wrapped):
    part = users_class(nn.Linear, equalised)(2, 3) if wrapped else nn.Linear(2, 3)
    module = Of(lambda self, z: self.part(z), part=part) if wrapped else nn.Sequential(part)
    REFUSED_OBJECTS[told](part)
    with pytest.raises(ValueError, match=r"\(Linear\): " + told):
        Network.from_torch(module)


# Weights that are computed


def without_deprecation(function):
    def made(module):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return function(module)

    return made


COMPUTED = {
    "weight_norm": nn.utils.parametrizations.weight_norm,
    "spectral_norm": nn.utils.parametrizations.spectral_norm,
    "weight_norm by hooks": without_deprecation(nn.utils.weight_norm),
    "spectral_norm by hooks": without_deprecation(nn.utils.spectral_norm),
}


@pytest.mark.parametrize("precision", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", COMPUTED)
def test_computed_weights_are_read_as_they_are_used(name, precision):
    torch.manual_seed(0)
    norm = COMPUTED[name]
    first, last = nn.Linear(2, 6, dtype=precision), nn.Conv2d(2, 1, 2, dtype=precision)
    module = nn.Sequential(norm(first), nn.ReLU(), nn.Linear(6, 18, dtype=precision))
    module.append(nn.Unflatten(1, (2, 3, 3))).append(norm(last))
    with torch.no_grad():
        for _ in range(5):
            module(torch.randn(4, 2, dtype=precision))
        for name, parameter in module.named_parameters():
            if "original0" in name or name.endswith("_g"):
                parameter *= 1.7
    with pytest.raises(ValueError, match="training mode"):
        Network.from_torch(module)
    network = Network.from_torch(module.eval())
    with torch.no_grad():
        module(torch.zeros(1, 2, dtype=precision))
        np.testing.assert_array_equal(network.layers[0].weight, module[0].weight.numpy())
        np.testing.assert_array_equal(network.layers[4].weight, module[4].weight.numpy())


def test_pruned_weights_are_read_as_they_are_used():
    from torch.nn.utils import prune

    module = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 3))
    prune.l1_unstructured(module[0], "weight", amount=4)
    prune.random_unstructured(module[2], "bias", amount=1)
    prune.l1_unstructured(module[0], "weight", amount=2)
    network = assert_read(module)
    assert np.sum(network.layers[0].weight == 0) == 6
    assert np.sum(network.layers[2].bias == 0) == 1


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


class Noisy(nn.Module):
    def forward(self, weight):
        return weight + torch.rand_like(weight)


def test_parametrizations():
    """A user's too: what it gives is read, and must be what it gives when the module runs."""
    module = nn.Linear(2, 3).double().eval()
    parametrize.register_parametrization(module, "weight", Halved())
    network = assert_read(module)
    np.testing.assert_array_equal(network.layers[0].weight, module.weight.detach().numpy())
    noisy = nn.Linear(2, 3).eval()
    parametrize.register_parametrization(noisy, "weight", Noisy())
    with pytest.raises(ValueError, match=r"^module \(ParametrizedLinear\): when it runs"):
        Network.from_torch(noisy)


def test_a_parametrized_module_of_a_users_class():
    module = users_class(nn.Linear, equalised)(2, 3).eval()
    parametrize.register_parametrization(module, "weight", Halved())
    assert_read(module)


def test_lazy_modules():
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"^module\[2\] \(LazyLinear\): .* call it once"):
        Network.from_torch(module)
    with torch.no_grad():
        module(torch.zeros(1, 2))
    assert kinds(assert_read(module)) == [Dense, ReLU, Dense]
    inside = Of(lambda self, z: self.part(z), part=nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"part \(LazyLinear\): .* call it once"):
        Network.from_torch(inside)


def test_modules_that_are_not_copied():
    class Single(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("only one")

    with pytest.raises(ValueError, match=r"^module: .* copy.deepcopy copies \(only one\)"):
        Network.from_torch(Single(1, 1))
