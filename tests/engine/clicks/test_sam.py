"""SAM's published checkpoints in transformers: every name, and the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.errors import BadInputError, MissingComponentError, UsageError
from teethscape.segmentation.clicks.interface import Clicks
from teethscape.segmentation.clicks.sam_engine import Frame, SamEngine, load_model
from teethscape.segmentation.clicks.sam_names import renamed, sizes, target_names
from teethscape.segmentation.clicks.squared import SquaredEngine
from teethscape.weights import store
from teethscape.weights.layout import recognise
from teethscape.weights.tensors import TensorInfo

from .original_sam import original, tiny

torch = pytest.importorskip("torch", reason="needs PyTorch")
transformers = pytest.importorskip("transformers", reason="needs transformers")


def _shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("size", ["vit_b", "vit_l", "vit_h"])
def test_every_published_name_finds_its_place(size):
    with torch.device("meta"):
        published = _shapes(getattr(original(), f"build_sam_{size}")())
        known = sizes(published)
        config = transformers.SamConfig(
            vision_config=known["vision"], prompt_encoder_config=known["prompt"],
            mask_decoder_config=known["mask"],
        )  # fmt: skip
        wanted = _shapes(transformers.SamModel(config))
    targets = [new for name in published for new in target_names(name)]
    assert len(targets) == len(set(targets))
    assert renamed(published) == wanted
    tensors = [TensorInfo(name, shape, "float32") for name, shape in published.items()]
    assert recognise(tensors) == size.replace("vit_", "sam-vit-")


@pytest.fixture(scope="module")
def published():
    return tiny()


@pytest.fixture(scope="module")
def weights(published, tmp_path_factory):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    path = tmp_path_factory.mktemp("sam") / "tiny.safetensors"
    library.save_file(published.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(2).integers(0, 256, (90, 120, 3), np.uint8)


def _predicted(net, photo, clicks, several, before=None):
    """What the published network answers, prepared as its predictor does it."""
    frame = Frame.of(120, 90, 64)
    points = torch.from_numpy(frame.points(clicks.points))[None] if clicks.points else None
    labels = torch.tensor([[int(x) for x in clicks.labels]])
    box = None if clicks.box is None else torch.from_numpy(frame.points(clicks.box).reshape(1, 4))
    with torch.inference_mode():
        image = net.image_encoder(torch.from_numpy(frame.network_input(photo))[None])
        sparse, dense = net.prompt_encoder(
            points=None if points is None else (points, labels), boxes=box, masks=before
        )
        low, scores = net.mask_decoder(
            image_embeddings=image, image_pe=net.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=several,
        )  # fmt: skip
        best = int(scores[0].argmax())
        low = low[:, best : best + 1]
        return net.postprocess_masks(low, (48, 64), (90, 120))[0, 0].numpy(), float(scores[0, best]), low


CLICKS = [
    (Clicks(((60.0, 40.0),), (True,)), True),
    (Clicks(((60.0, 40.0), (20.5, 70.0)), (True, False)), False),
    (Clicks(box=(10.0, 15.0, 70.0, 80.0)), False),
    (Clicks(((60.0, 40.0),), (True,), (10.0, 15.0, 70.0, 80.0)), False),
]


@pytest.mark.parametrize(("clicks", "several"), CLICKS)
def test_the_numbers_are_those_of_the_published_network(published, weights, photo, clicks, several):
    answer = SamEngine.load(weights).prepare(photo).click(clicks)
    wanted, score, _ = _predicted(published, photo, clicks, several)
    found = np.log(answer.probability.astype(np.float64)) - np.log1p(-answer.probability.astype(np.float64))
    assert np.abs(wanted).max() < 10  # where log-odds survive the way through probabilities
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert answer.score == pytest.approx(np.clip(score, 0, 1), abs=1e-4)
    assert np.array_equal(answer.mask, answer.probability > 0.5)


def test_the_next_click_sees_the_mask_before(published, weights, photo):
    prepared = SamEngine.load(weights).prepare(photo)
    first = prepared.click(CLICKS[0][0])
    second = prepared.click(CLICKS[1][0], first)
    _, _, low = _predicted(published, photo, CLICKS[0][0], True)
    wanted, _, _ = _predicted(published, photo, CLICKS[1][0], False, low)
    np.testing.assert_allclose(np.log(second.probability / (1 - second.probability)), wanted, atol=5e-3)
    single = SamEngine.load(weights, several=False).prepare(photo).click(CLICKS[1][0], first)
    plain, _, _ = _predicted(published, photo, CLICKS[1][0], False)
    assert np.array_equal(single.mask, plain > 0)  # as the published tool for TeethDreamer's masks


def test_in_a_square_the_numbers_are_those_of_the_square(weights, photo):
    square = np.zeros((120, 120, 3), np.uint8)
    square[15:105] = photo
    engine = SamEngine.load(weights, several=False)
    wanted = engine.prepare(square).click(Clicks(((60.0, 55.0),), (True,)))
    found = SquaredEngine(engine).prepare(photo).click(Clicks(((60.0, 40.0),), (True,)))
    assert np.array_equal(found.probability, wanted.probability[15:105])
    assert found.score == wanted.score


def test_a_click_must_say_where(weights, photo):
    prepared = SamEngine.load(weights).prepare(photo)
    with pytest.raises(UsageError, match="No click"):
        prepared.click(Clicks(((1.0, 1.0),), (False,)))


def test_without_weights_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(MissingComponentError, match="teethscape weights install sam-vit-b"):
        SamEngine.load()


def test_other_weights_are_refused(tmp_path):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    library.save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(BadInputError, match="holds no SAM"):
        load_model(tmp_path / "a.safetensors")


def test_frames_scale_as_the_published_tool_does():
    frame = Frame.of(1440, 1080, 1024)
    assert (frame.inner_width, frame.inner_height) == (1024, 768)
    np.testing.assert_allclose(frame.points([(720, 540)]), [(512, 384)])
