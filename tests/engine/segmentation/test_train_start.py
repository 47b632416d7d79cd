"""A training that begins with an exported network begins with its answers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from teethscape.errors import BadInputError  # noqa: E402
from teethscape.segmentation.train_export import export_network  # noqa: E402
from teethscape.segmentation.train_network import SegmentationNetwork  # noqa: E402
from teethscape.segmentation.train_start import load_export, read_export  # noqa: E402


def pictures(seed):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=draw) for _ in range(3)]


@pytest.fixture
def trained():
    torch.manual_seed(4)
    network = SegmentationNetwork()
    network.train()
    with torch.no_grad():
        for batch in pictures(0):
            network(batch.float() / 255)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return network.eval()


def test_the_answers_are_those_of_the_export(tmp_path, trained):
    path = tmp_path / "trained.onnx"
    export_network(trained, path)
    torch.manual_seed(9)
    begun = SegmentationNetwork()
    load_export(begun, read_export(path), pictures(1))
    one = pictures(2)[0].float() / 255
    with torch.no_grad():
        for ours, theirs in zip(begun.eval()(one), trained(one), strict=True):
            assert torch.allclose(ours, theirs, atol=0.02 * float(theirs.std()) + 1e-3)


def test_batch_norms_know_their_pictures(tmp_path, trained):
    path = tmp_path / "trained.onnx"
    export_network(trained, path)
    begun = SegmentationNetwork()
    load_export(begun, read_export(path), pictures(0))
    norm = begun.stem[1]
    together = torch.cat(pictures(0)).float() / 255
    with torch.no_grad():
        seen = begun.stem[0](together * 2 - 1)
    assert torch.allclose(norm.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-4)
    assert torch.allclose(norm.running_var, seen.var(dim=(0, 2, 3), unbiased=False), rtol=1e-2, atol=1e-4)


def test_other_files_are_refused(tmp_path):
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"\xff\x00 no network")
    with pytest.raises(BadInputError) as refused:
        read_export(junk)
    assert refused.value.code == "weights_damaged"
    with pytest.raises(BadInputError) as missing:
        read_export(tmp_path / "none.onnx")
    assert missing.value.code == "weights_damaged"


def test_another_network_is_refused(tmp_path):
    other = tmp_path / "other.onnx"
    torch.onnx.export(
        torch.nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 32, 32),), str(other), dynamo=False, opset_version=17
    )
    with pytest.raises(BadInputError) as refused:
        read_export(other)
    assert refused.value.code == "weights_differ"
