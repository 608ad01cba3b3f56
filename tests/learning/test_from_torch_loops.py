"""Exact log p(x) in a loop of torch: values, gradients, and what they train to."""

import gc
import sys
import weakref

import numpy as np
import pytest

import fast
import fast.partition.partition as partitioning
from fast import DGN, Network, torch_log_prob

FULL = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])


def test_without_torch_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"^torch_log_prob needs the package torch, .*pytorch"):
        torch_log_prob(None, np.zeros((1, 2)), 1.0)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def decoder(torch, latent=2, seed=0):
    torch.manual_seed(seed)
    nn = torch.nn
    return nn.Sequential(nn.Linear(latent, 4), nn.ReLU(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize("noise", [0.4, np.array([0.2, 0.5, 0.9]), FULL], ids=["()", "(D)", "full"])
@pytest.mark.parametrize("latent", [1, 2])
def test_value_and_gradient_are_those_of_the_model(torch, latent, noise):
    """Of the mean, by every weight, Σx, Σz and x."""
    module = decoder(torch, latent)
    prior = np.eye(latent) + 0.2
    dgn = DGN(Network.from_torch(module), noise, prior)
    X = dgn.rvs(5, random_state=1)
    x, cov_x, cov_z = (torch.tensor(np.array(a), requires_grad=True) for a in (X, noise, prior))
    found = torch_log_prob(module, x, cov_x, cov_z)
    np.testing.assert_array_equal(found.detach().numpy(), dgn.logpdf(X))
    found.mean().backward()
    exact = dgn.gradient(X)
    for name, value in module.named_parameters():
        np.testing.assert_allclose(value.grad.numpy(), exact[name], rtol=0, atol=1e-10)
    np.testing.assert_allclose(cov_x.grad.numpy(), exact["cov_x"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(cov_z.grad.numpy(), exact["cov_z"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(x.grad.numpy(), dgn.score(X) / 5, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axes", [0, 1])
@pytest.mark.parametrize("latent", [1, 2])
def test_gradcheck(torch, latent, axes):
    """Every datum's own log p by all inputs, against torch's differences: data of different
    weights, and covariances of one number or a diagonal."""
    module = decoder(torch, latent, seed=3)
    x = torch.tensor(DGN(Network.from_torch(module), 0.5).rvs(3, random_state=2))
    cov_x = torch.tensor([0.3, 0.5, 0.4] if axes else 0.4, dtype=torch.float64)
    cov_z = torch.tensor([1.2] * latent if axes else 0.8, dtype=torch.float64)
    base = [value.requires_grad_() for value in (x, cov_x, cov_z)]
    weights = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    step = 1e-5

    def loss():
        own = torch_log_prob(module, *(value.detach() for value in base)).detach()
        return float((weights * own).sum())

    (weights * torch_log_prob(module, *base)).sum().backward()
    for tensor in [*base, *module.parameters()]:
        grad, values = tensor.grad.reshape(-1), tensor.data.view(-1)
        for i in range(len(values)):
            sides = []
            for sign in (1, -1):
                values[i] += sign * step
                sides.append(loss())
                values[i] -= sign * step
            slope = (sides[0] - sides[1]) / (2 * step)
            assert abs(slope - float(grad[i])) < 1e-6 * max(1.0, abs(slope))
    assert torch.autograd.gradcheck(
        lambda *given: torch_log_prob(module, *given), tuple(base), atol=1e-6
    )


def test_partitions_are_found_again_only_when_weights_change(torch, monkeypatch):
    module, found = decoder(torch), []
    find, read = partitioning.partition, []
    monkeypatch.setattr(partitioning, "partition", lambda *given: found.append(1) or find(*given))
    from_torch = Network.from_torch
    monkeypatch.setattr(
        Network, "from_torch", staticmethod(lambda one: read.append(1) or from_torch(one))
    )
    x = torch.zeros(2, 3, dtype=torch.float64)
    for noise in (0.5, 0.5, 0.7):
        variance = torch.tensor(noise, dtype=torch.float64, requires_grad=True)
        torch_log_prob(module, x, variance).sum().backward()
    assert len(found) == 1
    with torch.no_grad():
        module[0].weight += 0.1
    first = torch_log_prob(module, x, 0.5)
    assert len(found) == 2
    np.testing.assert_array_equal(first.detach().numpy(), DGN(from_torch(module), 0.5).logpdf(x))
    assert len(read) == 1
    module[1] = torch.nn.LeakyReLU(0.3)  # another function of the same weights
    second = torch_log_prob(module, x, 0.5)
    assert len(read) == 2
    assert not torch.equal(first, second)


def test_a_module_that_is_gone_is_forgotten(torch):
    module = decoder(torch)
    torch_log_prob(module, torch.zeros(1, 3), 0.5)
    gone = weakref.ref(module)
    del module
    gc.collect()
    assert gone() is None


def test_images_of_single_precision(torch):
    nn = torch.nn
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 6), nn.Unflatten(1, (1, 2, 3)))
    x = torch.randn(4, 1, 2, 3, requires_grad=True)
    found = torch_log_prob(module, x, 0.5)
    assert found.dtype == torch.float32
    found.sum().backward()
    dgn = DGN(Network.from_torch(module), 0.5)
    np.testing.assert_allclose(x.grad.numpy(), dgn.score(x), rtol=1e-5, atol=1e-6)
    assert module[0].weight.grad.dtype == torch.float32


@pytest.mark.parametrize("told", ["batch norm", "shape", "second"])
def test_what_it_cannot_do_it_says(torch, told):
    nn = torch.nn
    if told == "batch norm":
        module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
        with pytest.raises(ValueError, match=r"module\[1\] \(BatchNorm1d\): .*use to_torch\(\)"):
            torch_log_prob(module, torch.zeros(1, 3), 0.5)
        trainable = Network.from_torch(module).to_torch()
        torch_log_prob(trainable, torch.zeros(1, 3), 0.5).sum().backward()
        assert trainable[0].weight.grad is not None
    elif told == "shape":
        with pytest.raises(ValueError, match=r"^X: expected shape \(any, 3\), or images"):
            torch_log_prob(decoder(torch), torch.zeros(2, 5), 0.5)
    else:
        x = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
        found = torch_log_prob(decoder(torch), x, 0.5).sum()
        (slope,) = torch.autograd.grad(found, x, create_graph=True)
        with pytest.raises(RuntimeError, match="grad"):
            slope.sum().backward()


def problem():
    """A model's own draws, and a start beside it."""
    rng = np.random.default_rng(5)
    teacher = Network.random([1, 4, 2], random_state=2)
    X = fast.DGN(teacher, 0.1).rvs(200, random_state=3)
    values = teacher.parameters()
    start = teacher.with_parameters(
        {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in values.items()}
    )
    return start, X, rng


def test_a_loop_reaches_what_fit_mle_reaches(torch):
    """200 steps of Adam on mini-batches, weights and noise together, within 0.05 nats a datum."""
    start, X, rng = problem()
    exact = fast.fit_mle(start, X, cov_x=0.3, max_iter=200, tol=0.0)
    module = start.to_torch()
    log_variance = torch.tensor(np.log(0.3), requires_grad=True)
    optimiser = torch.optim.Adam([*module.parameters(), log_variance], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 200)
    data = torch.tensor(X)
    for _ in range(200):
        batch = data[torch.from_numpy(rng.choice(200, 100, replace=False))]
        loss = -torch_log_prob(module, batch, log_variance.exp()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    reached = -float(torch_log_prob(module, data, log_variance.exp()).mean().detach())
    assert exact.history[0] > exact.history[-1] + 0.5
    assert reached < exact.history[-1] + 0.05
