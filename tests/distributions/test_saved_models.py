"""Models in files: network, covariances and settings, bit for bit, or a word of why not."""

import numpy as np
import pytest

from fast import DGN, Network
from reference import Conv2d, Dense, Flatten, PReLU, ReLU, Reshape, Residual
from reference.model import whole_files

NETWORKS = {
    "dense": Network.random([2, 3, 4], random_state=0),
    "image": Network(
        [
            *(Dense(np.ones((4, 2)) / 3, np.zeros(4)), Reshape((1, 2, 2))),
            *(Conv2d(np.ones((2, 1, 1, 1)), [0.1, 0.2]), PReLU([0.1, 0.3]), Flatten()),
        ]
    ),
    "block": Network([Dense(np.eye(2), [0.1, 0.2]), Residual([ReLU(), Dense(np.eye(2), [1, 2])])]),
}


def noise(kind, size):
    root = np.tril(np.full((size, size), 0.1)) + np.eye(size)
    return {"scalar": 0.1, "diagonal": np.linspace(0.1, 0.7, size), "full": root @ root.T}[kind]


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "full"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_comes_back_bit_for_bit(tmp_path, name, kind):
    network = NETWORKS[name]
    cov_x = noise(kind, network.observed_dimension)
    settings = {
        "max_regions": 12_345,
        "negligible": 1e-7,
        "partition": "full",
        "max_memory": 3e8,
        "progress": True,
    }
    dgn = DGN(network, cov_x, [[1.0, 0.3], [0.3, 0.7]], **settings)
    path = tmp_path / "model"  # no ending is added
    dgn.save(path)
    again = DGN.load(path)
    for key, value in dgn.parameters().items():
        np.testing.assert_array_equal(again.parameters()[key], value)
        assert again.parameters()[key].shape == value.shape
    assert again._settings() == settings
    X = dgn.rvs(2, random_state=0)
    np.testing.assert_array_equal(again.logpdf(X), dgn.logpdf(X))
    assert repr(Network.load(path)) == repr(network)


def test_what_holds_no_model_is_refused(tmp_path):
    network, path = NETWORKS["dense"], tmp_path / "file"
    network.save(path)
    with pytest.raises(ValueError, match=r"^path: .* network alone; read it with Network\.load"):
        DGN.load(path)
    path.write_bytes(b"no arrays")
    with pytest.raises(ValueError, match=r"^path: .* holds no saved DGN"):
        DGN.load(path)
    with pytest.raises(ValueError, match=r"^path: expected the path of a file"):
        DGN(network, 0.1).save(3)
    with pytest.raises(FileNotFoundError):
        DGN.load(tmp_path / "nowhere")


def test_a_later_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with monkeypatch.context() as later:
        later.setattr(whole_files, "FORMAT", whole_files.FORMAT + 1)
        DGN(NETWORKS["dense"], 0.1).save(path)
    with pytest.raises(ValueError, match="a later version of exactdgn wrote it"):
        DGN.load(path)


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    DGN(NETWORKS["dense"], 0.1).save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(whole_files.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        DGN(NETWORKS["image"], 0.2).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
