"""Networks given back to torch: a module that is read, changed and written again."""

import copy
import pickle
import re
import sys

import numpy as np
import pytest
from chunk_cases import KINDS, layers

from reference import (
    Abs,
    Conv2d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
)
from reference.model.writers.blocks import Block, blocks_of

RNG = np.random.default_rng(17)


def dense(n_out, n_in):
    return Dense(RNG.standard_normal((n_out, n_in)), RNG.standard_normal(n_out))


NESTED = [
    dense(3, 2),
    Residual([dense(4, 3), Residual([dense(4, 4), ReLU6()], [dense(4, 4), Abs()]), dense(3, 4)]),
    Residual([Hardtanh(-1.0, 2.0), dense(5, 3)], [dense(5, 3)]),
    PReLU(RNG.uniform(size=5)),
    Residual([Residual([LeakyReLU(0.3)])]),
]
NETWORKS = {
    **{
        f"{kind}, S = {latent}": Network(layers(kind, latent))
        for kind in KINDS
        for latent in (1, 2)
        if kind != "pieces and a block"
    },
    "blocks within blocks": Network(NESTED),
    "a block first": Network([Residual([dense(2, 2)]), ReLU(), dense(3, 2)]),
    "pools of images and channels": Network(
        [
            *(Reshape((4, 2, 2)), MaxPool((2, 1), 1, channels=2), Hardsigmoid()),
            Residual([Conv2d(RNG.standard_normal((2, 2, 1, 1)), np.zeros(2)), MaxPool()]),
            Flatten(),
        ]
    ),
    "clipped on one side": Network([dense(3, 2), Hardtanh(-np.inf, 1.0), Reshape((1, 1, 3))]),
    "a reshape that changes nothing": Network([Reshape((2,)), dense(3, 2)]),
}


# Without torch


def flat(steps):
    """The layers' numbers in order, blocks as lists."""
    return [
        [flat(step.steps), flat(step.projection)] if isinstance(step, Block) else step.index
        for step in steps
    ]


def test_blocks_are_found_again():
    """The layers of a network with blocks in blocks: 0 is Dense, 1 the first Fork, and so on."""
    network = Network(NESTED)
    tree = flat(blocks_of(network.layers, network.shapes))
    assert tree == [0, [[2, [[4, 5], [6, 7]], 9], []], [[12, 13], [14]], 16, [[[[19], []]], []]]


def test_without_torch_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        ImportError, match=r"^this needs the package torch, .* https://pytorch\.org"
    ):
        NETWORKS["relu, S = 1"].to_torch()


@pytest.mark.parametrize("module", [None, 3, Dense([[1.0]], [0.0])])
def test_what_is_no_module_is_not_written_into(module):
    with pytest.raises(ValueError, match=r"^module: expected a torch\.nn\.Module, got "):
        NETWORKS["relu, S = 1"].load_into(module)


# With torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def outputs(torch, module, Z):
    """What a module gives, in its own precision."""
    dtype = next(module.parameters()).dtype
    with torch.no_grad():
        values = copy.deepcopy(module).eval()(torch.from_numpy(Z).to(dtype))
    return values.double().numpy().reshape(len(Z), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_module_is_the_network(torch, name):
    """In both precisions, in its shape, and so is its copy, its pickle and what is read of it."""
    network = NETWORKS[name]
    Z = RNG.standard_normal((6, network.latent_dimension))
    expected = network(Z)
    for dtype, tolerance in ((None, 1e-13), (torch.float32, 1e-5)):
        module = network.to_torch(dtype) if dtype else network.to_torch()
        scale = tolerance * max(1.0, np.abs(expected).max())
        for one in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            np.testing.assert_allclose(outputs(torch, one, Z), expected, rtol=0, atol=scale)
        read = Network.from_torch(module)
        np.testing.assert_allclose(read(Z), expected, rtol=0, atol=scale)
        assert read.shapes[-1] == network.shapes[-1]
        shape = module(torch.zeros(2, network.latent_dimension, dtype=dtype or torch.float64)).shape
        assert tuple(shape) == (2, *network.shapes[-1])


def moved(network, size=0.1):
    """With all parameters changed."""
    values = network.parameters()
    return network.with_parameters(
        {name: value + size * RNG.standard_normal(value.shape) for name, value in values.items()}
    )


def decoders(nn):
    """Modules that have one way back."""
    shared = nn.ReLU()
    return {
        "mlp": nn.Sequential(nn.Linear(2, 5), shared, nn.Sequential(nn.Linear(5, 4), shared)),
        "without bias": nn.Sequential(nn.Linear(2, 5, bias=False), nn.ReLU()),
        "prelu": nn.Sequential(nn.Linear(2, 5), nn.PReLU(5), nn.Dropout(), nn.Linear(5, 1)),
        "image": nn.Sequential(
            *(nn.Linear(2, 8), nn.Unflatten(1, (2, 2, 2)), nn.ReLU(), nn.Upsample(scale_factor=2)),
            *(nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, groups=2), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(4, 1, (3, 2), padding="same"), nn.MaxPool2d(2), nn.Flatten()),
        ),
        "signal": nn.Sequential(
            *(nn.Linear(2, 6), nn.Unflatten(1, (2, 3)), nn.ConvTranspose1d(2, 2, 2, 2)),
            *(nn.ReLU(), nn.Conv1d(2, 1, 3, dilation=2)),
        ),
    }


def wrapped(torch):
    """A class of a user's own with a skip connection, made in another order than it is run."""

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(4, 3)
            self.block, self.skip = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
            self.first = torch.nn.Linear(2, 4)

        def forward(self, z):
            h = torch.relu(self.first(z))
            return self.last(self.skip(h) + torch.relu(self.block(h)))

    return Decoder()


@pytest.mark.parametrize("name", ["mlp", "without bias", "prelu", "image", "signal", "wrapped"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_round_trip(torch, name, precision):
    """Read, change, write: the module then gives what the network does, and nothing else of it has
    changed."""
    torch.manual_seed(3)
    module = wrapped(torch) if name == "wrapped" else decoders(torch.nn)[name]
    module = module.to(getattr(torch, precision)).eval()
    before = {key: (id(value), value.dtype) for key, value in module.named_parameters()}
    network = moved(Network.from_torch(module))
    if name == "without bias":
        network = network.with_parameters({"0.bias": np.zeros(5)})
    network.load_into(module)
    Z = RNG.standard_normal((6, 2))
    tolerance = {"float32": 1e-5, "float64": 1e-13}[precision]
    np.testing.assert_allclose(outputs(torch, module, Z), network(Z), rtol=0, atol=tolerance)
    assert {key: (id(v), v.dtype) for key, v in module.named_parameters()} == before
    assert all(parameter.requires_grad for parameter in module.parameters())
    if precision == "float64":
        again = Network.from_torch(module).parameters()
        for key, value in network.parameters().items():
            np.testing.assert_array_equal(again[key], value)


def refusals(torch):
    """Modules with no one way back, and what is said."""
    from torch.nn.utils import prune

    nn = torch.nn
    tied = nn.Linear(3, 3)
    twin = nn.Linear(3, 3)
    twin.weight = tied.weight
    return {
        r"module[1] (BatchNorm1d): what it multiplies by is one with": nn.Sequential(
            nn.Linear(2, 3), nn.BatchNorm1d(3)
        ),
        r"module[0] (ParametrizedLinear): its weight is computed": nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        ),
        r"module[0] (Linear): its weight is computed": nn.Sequential(
            prune.l1_unstructured(nn.Linear(2, 3), "weight", amount=1)
        ),
        r"module[3] (Linear): its weights are used more than once": nn.Sequential(
            nn.Linear(2, 3), tied, nn.ReLU(), tied
        ),
        r"module[3] (Linear): its weights are used more than once ": nn.Sequential(
            nn.Linear(2, 3), tied, nn.ReLU(), twin
        ),
    }


@pytest.mark.parametrize("which", range(5))
def test_no_one_way_back(torch, which):
    told, module = list(refusals(torch).items())[which]
    module.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = moved(Network.from_torch(module))
    with pytest.raises(ValueError, match="^" + re.escape(told.strip())) as refused:
        network.load_into(module)
    assert "\n" not in str(refused.value)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
    # There is always the other way.
    Z = RNG.standard_normal((4, 2))
    np.testing.assert_allclose(outputs(torch, network.to_torch(), Z), network(Z), atol=1e-13)


@pytest.mark.parametrize("what", ["a gain", "a function"])
def test_numbers_of_a_forward_have_no_one_way_back(torch, what):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.gain = torch.nn.Linear(2, 3), torch.nn.Parameter(torch.ones(3, 3))

        def forward(self, z):
            h = torch.relu(self.first(z))
            if what == "a gain":
                return h * self.gain[0]
            return torch.nn.functional.linear(h, self.gain)

    module = Scaled()
    told = {
        "a gain": r"module \(Scaled\), mul .*: what it multiplies by is one with",
        "a function": r"module: layers\[2\], Dense\(3 -> 3\), is made of numbers that its forward",
    }
    with pytest.raises(ValueError, match="^" + told[what]):
        Network.from_torch(module).load_into(module)


def test_another_module_is_refused(torch):
    nn = torch.nn
    network = Network.from_torch(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
    for told, module in {
        r"module: expected the 3 layers of the network, got 2": nn.Sequential(
            nn.Linear(2, 3), nn.ReLU()
        ),
        r"module: layers\[1\] is ReLU\(\) in the network, and LeakyReLU": nn.Sequential(
            nn.Linear(2, 3), nn.LeakyReLU(), nn.Linear(3, 1)
        ),
        r"module: layers\[0\] is Dense\(2 -> 3\) in the network, and Dense\(2 -> 4\)": (
            nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        ),
    }.items():
        with pytest.raises(ValueError, match="^" + told):
            network.load_into(module)


def test_a_bias_that_is_not_there(torch):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False))
    network = moved(Network.from_torch(module))
    before = module[0].weight.clone()
    with pytest.raises(ValueError, match=r"^module\[0\] \(Linear\): it has no bias"):
        network.load_into(module)
    assert torch.equal(module[0].weight, before)


def test_weights_beyond_single_precision(torch):
    module = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    before = [value.clone() for value in module.parameters()]
    network = Network.from_torch(module).with_parameters({"1.weight": [[1e300]]})
    with pytest.raises(ValueError, match=r"^module\[1\] \(Linear\): weight is beyond the range"):
        network.load_into(module)
    assert all(map(torch.equal, module.parameters(), before))
    with pytest.raises(ValueError, match=r"^dtype: torch\.float32 cannot hold a weight"):
        network.to_torch(torch.float32)
    assert network.to_torch()[1].weight.item() == 1e300


def test_nothing_is_half_written(torch, monkeypatch):
    """Where the third parameter cannot be written the first two are as before."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    before = [value.clone() for value in module.parameters()]
    network, copied, calls = moved(Network.from_torch(module)), torch.Tensor.copy_, []

    def failing(tensor, source):
        calls.append(tensor)
        if len(calls) == 3:
            raise RuntimeError("lost")
        return copied(tensor, source)

    monkeypatch.setattr(torch.nn.Parameter, "copy_", failing, raising=False)
    with pytest.raises(RuntimeError, match="lost"):
        network.load_into(module)
    assert len(calls) > 3
    assert all(map(torch.equal, module.parameters(), before))


def test_layers_that_torch_does_not_have(torch):
    for layer in (PiecewiseAffine([0.0, 1.0], [1.0, 2.0, 0.5]), Hardsigmoid(0.25)):
        network = Network([dense(2, 2), layer])
        with pytest.raises(ValueError, match=r"^layers\[1\]: torch has no module for "):
            network.to_torch()


@pytest.mark.parametrize("dtype", ["float32", 3, np.float32])
def test_a_type_that_is_none_of_torchs(torch, dtype):
    with pytest.raises(ValueError, match=r"^dtype: expected a floating type of torch"):
        NETWORKS["relu, S = 1"].to_torch(dtype)
    with pytest.raises(ValueError, match=r"^dtype: expected a floating type of torch"):
        NETWORKS["relu, S = 1"].to_torch(torch.int64)


# Trained models as they come


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
def test_narrow_weights_that_require_grad_are_read(torch, precision):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3)).to(
        getattr(torch, precision)
    )
    network = Network.from_torch(module)
    for name, value in module.named_parameters():
        assert value.requires_grad
        np.testing.assert_array_equal(network.parameters()[name], value.detach().double().numpy())


def test_data_may_be_tensors(torch):
    import fast

    dgn = fast.DGN(Network([dense(4, 1)]), 0.5)
    X = dgn.rvs(3, random_state=0).astype(np.float32)
    expected = dgn.logpdf(X)
    tensor = torch.from_numpy(X).reshape(3, 2, 2).requires_grad_()
    np.testing.assert_array_equal(dgn.logpdf(tensor), expected)
    short = torch.from_numpy(X).bfloat16()
    np.testing.assert_array_equal(dgn.logpdf(short), dgn.logpdf(short.double().numpy()))


def variational_autoencoder(torch, last):
    nn = torch.nn

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
            self.decoder = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 6), *last)

        def forward(self, x):
            mean, log_var = self.encoder(x).chunk(2, dim=1)
            return self.decoder(mean + torch.randn_like(mean) * (0.5 * log_var).exp())

    return Autoencoder()


def test_a_whole_model_says_which_attribute_to_pass(torch):
    told = r"; if the decoder is one of its attributes, pass that: module\.decoder"
    both = told + r" \(2 -> 6\), module\.encoder \(6 -> 4\)$"
    with pytest.raises(ValueError, match=both):
        Network.from_torch(variational_autoencoder(torch, []))
    bernoulli = variational_autoencoder(torch, [torch.nn.Sigmoid()])
    with pytest.raises(ValueError, match=told + r"\[:-1\] \(2 -> 6\), "):
        Network.from_torch(bernoulli)

    class Trainer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = bernoulli

        def forward(self, x):
            return torch.sigmoid(self.model(x))

    with pytest.raises(ValueError, match=r"pass that: module\.model\.decoder\[:-1\] \(2 -> 6\), "):
        Network.from_torch(Trainer())
    assert Network.from_torch(bernoulli.decoder[:-1]).sizes[-1] == 6


def test_a_bernoulli_decoder_says_what_to_pass(torch):
    with pytest.raises(
        ValueError, match=r"leave it out .*\(for a Sigmoid, the logits\)"
    ) as refused:
        Network.from_torch(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sigmoid()))
    assert "\n" not in str(refused.value)
    assert "module[:-1]" in str(refused.value)
