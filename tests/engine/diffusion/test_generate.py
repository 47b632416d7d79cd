"""`teethscape generate` from photos to strips, with the tiny network."""

from __future__ import annotations

import gc
import json
import shutil
from weakref import ref

import numpy as np
import pytest
import torch
from PIL import Image

from teethscape import cli
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.request import Device
from teethscape.dental.views import View
from teethscape.diffusion.card import Card, cast, is_out_of_memory
from teethscape.diffusion.config import TINY
from teethscape.diffusion.generate import GenerateRequest, generate
from teethscape.diffusion.memory import LADDER, Chunking, MemoryMode, choose, peaks
from teethscape.diffusion.painter import Painter, Recipe, Watching
from teethscape.diffusion.pictures import MONTAGE_ENDING, Backdrop
from teethscape.diffusion.sources import read_source
from teethscape.diffusion.weights_file import read_network
from teethscape.errors import BadInputError, CancelledError, ExitCode, ResourceError
from teethscape.progress import NoProgress
from teethscape.segmentation.clicks.pictures import ORDER, Background, write_pictures

SIZE = 60


class _Told(NoProgress):
    """Remembers warnings; cancels after a number of questions."""

    def __init__(self, patience=10**9):
        self.warnings = []
        self.patience = patience

    def warn(self, code, message):
        self.warnings.append(code)

    def check_cancelled(self):
        self.patience -= 1
        if self.patience < 0:
            raise CancelledError


@pytest.fixture(scope="session")
def weights(small_file):
    return small_file


def _photos():
    """Five photos of one colour each, with one tooth per jaw where both are seen."""
    out = {}
    for view in View:
        pixels = np.full((SIZE, SIZE, 3), 40 * view.value + 30, np.uint8)
        labels = np.zeros((SIZE, SIZE), np.int32)
        labels[10:25, 20:40] = 11 if Jaw.UPPER in view.jaws else 31
        labels[35:50, 20:40] = 31 if Jaw.LOWER in view.jaws else 11
        out[view] = (pixels, labels)
    return out


@pytest.fixture
def pictures(tmp_path):
    write_pictures(tmp_path / "in", "p", _photos(), Background.BLACK)
    return tmp_path / "in"


def _request(pictures, weights, output, **more):
    recipe = more.pop("recipe", Recipe(steps=2))
    return GenerateRequest(pictures, output, weights, device=Device.CPU, recipe=recipe, **more)


def test_photos_condition_in_the_published_order(pictures):
    """Anterior, the patient's right, the patient's left, occlusal: their grey levels tell them apart."""
    order = {Jaw.UPPER: [0, 2, 1, 3], Jaw.LOWER: [0, 2, 1, 4]}
    for jaw in read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress()):
        levels = [int(np.asarray(picture).max()) for picture in jaw.pictures]
        assert [(level - 30) // 40 for level in levels] == order[jaw.jaw]
        assert jaw.name == f"p_{jaw.jaw.value}"


def _on_square(path):
    """A photo centred in the square of its longer side."""
    with Image.open(path) as image:
        photo = image.convert("RGB")
    square = Image.new("RGB", (max(photo.size),) * 2)
    square.paste(photo, ((square.width - photo.width) // 2, (square.height - photo.height) // 2))
    return np.asarray(square, np.float32)


@pytest.mark.slow
def test_the_published_example_shows_the_order(shared):
    """Case C holds the example's photos under our names, and the pictures that its authors made of them.

    Of all photos, also mirrored, each picture is most like the one that we would put there.
    """
    case = shared / "cases" / "case-c"
    photos = {view: _on_square(next((case / "photos").glob(f"{view.value}.*"))) for view in View}
    for jaw in read_source(case / "official", Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress()):
        for picture, wanted in zip(jaw.pictures, ORDER[jaw.jaw], strict=True):
            theirs = np.asarray(picture.convert("RGB"), np.float32)
            shown = theirs.max(-1) > 8
            distance = {
                (view, mirrored): np.abs(theirs - (photo[:, ::-1] if mirrored else photo))[shown].mean()
                for view, photo in photos.items()
                for mirrored in (False, True)
            }
            assert min(distance, key=distance.get) == (wanted, False)


@pytest.fixture
def case(tmp_path):
    """A case folder with photos and FDI masks."""
    folder = CaseFolder(tmp_path / "case 1")
    for view, (pixels, labels) in _photos().items():
        for path, image in ((folder.photo(view), pixels), (folder.mask(view), labels.astype(np.uint8))):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    request = {"engine": "parametric", "jaws": "both", "seed": 0, "mask_values": "fdi", "known_lengths": []}
    empty = {
        "photos": {},
        "cameras": {},
        "metrics": {},
        "teeth": [],
        "notices": [],
        "versions": {"teethscape": "0"},
    }
    folder.write_record({"status": "running", "scale": None, "request": request, **empty})
    return folder


def test_a_case_gives_the_pictures_that_its_masks_cut_out(case, pictures):
    wanted = read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress())
    found = read_source(case.root, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress())
    by_jaw = {jaw.jaw: jaw for jaw in found}
    assert {jaw.name for jaw in found} == {"case 1_upper", "case 1_lower"}
    for jaw in wanted:
        for one, two in zip(jaw.pictures, by_jaw[jaw.jaw].pictures, strict=True):
            assert np.array_equal(np.asarray(one), np.asarray(two))
    white = read_source(case.root, Jaws.UPPER, Backdrop.WHITE, NoProgress())[0]
    assert white.pictures[0].mode == "RGBA"
    case.mask(View.ANTERIOR).unlink()
    with pytest.raises(BadInputError, match="does not exist"):
        read_source(case.root, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())


def test_folders_that_are_no_jaws_are_left_out(pictures):
    shutil.copytree(pictures / "p_upper", pictures / "other")
    (pictures / "empty_lower").mkdir()
    (pictures / "stray.txt").write_text("x")
    told = _Told()
    assert len(read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, told)) == 2
    assert told.warnings == ["jaw_unknown"]
    assert [j.jaw for j in read_source(pictures / "p_lower", Jaws.BOTH, Backdrop.AS_GIVEN, told)] == [
        Jaw.LOWER
    ]
    with pytest.raises(BadInputError, match="no masked photos"):
        read_source(pictures / "p_lower", Jaws.UPPER, Backdrop.AS_GIVEN, told)


def test_damaged_photos_are_named(pictures):
    (pictures / "p_upper" / "002.png").write_bytes(b"x")
    with pytest.raises(BadInputError, match=r"002\.png is not a picture"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())
    Image.new("RGB", (9, 9)).save(pictures / "p_upper" / "002.png")
    with pytest.raises(BadInputError, match="shows no tooth"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())
    (pictures / "p_upper" / "002.png").unlink()
    with pytest.raises(BadInputError, match="does not exist"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())


@pytest.mark.slow
def test_a_strip_per_jaw_resumed_and_the_same_again(pictures, weights, tmp_path):
    told = _Told()
    request = _request(pictures, weights, tmp_path / "out", previews=1, recipe=Recipe(steps=3))
    done = generate(request, told)
    assert [one.file.name for one in done] == [f"p_lower{MONTAGE_ENDING}", f"p_upper{MONTAGE_ENDING}"]
    strips = [one.file.read_bytes() for one in done]
    with Image.open(done[0].file) as image:
        assert image.size == (16 * TINY.image_size, TINY.image_size)
    assert "cpu_slow" in told.warnings
    record = json.loads(done[1].file.with_suffix(".json").read_text())
    assert record["jaw"] == "upper"
    assert record["recipe"]["seed"] == 6033
    # the finished jaw stays, the other one is painted anew and comes out the same
    done[1].file.unlink()
    again = generate(request, told)
    assert [one.resumed for one in again] == [True, False]
    assert [one.file.read_bytes() for one in again] == strips
    other = generate(_request(pictures, weights, tmp_path / "out", jaws=Jaws.UPPER,
                              recipe=Recipe(steps=3, seed=1)), told)  # fmt: skip
    assert not other[0].resumed
    assert other[0].file.read_bytes() != strips[1]


@pytest.fixture
def jaw(pictures):
    return read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())[0]


def _painter(weights, rung=2):
    return Painter(read_network(weights), Card(torch.device("cpu"), torch.float32), rung)


def test_cancelling_stops_within_a_call_of_the_network(jaw, weights, tmp_path, pictures):
    painter = _painter(weights)
    calls = []
    painter.network.unet.body.conv_out.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(CancelledError):
        painter.paint(jaw, Recipe(steps=5), Watching(_Told(patience=8)))
    assert not calls  # not even the first look was finished
    assert all(not layer._forward_pre_hooks for layer in painter.network.modules())
    with pytest.raises(CancelledError):
        generate(_request(pictures, weights, tmp_path / "out"), _Told(patience=60))
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.slow
def test_short_memory_steps_down_and_changes_nothing(jaw, weights):
    told, small = _Told(), _painter(weights, len(LADDER) - 1)
    wanted = small.paint(jaw, Recipe(steps=2), Watching(told))
    painter = _painter(weights, 0)
    real = painter.network.unet.forward

    def narrow(x, t, tokens, volumes):
        if len(x) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return real(x, t, tokens, volumes)

    painter.network.unet.forward = narrow
    found = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert LADDER[painter.rung] == Chunking(4, False)
    assert told.warnings == ["memory_short"] * 3
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_no_memory_at_all_is_an_error_in_words(jaw, weights):
    painter = _painter(weights, len(LADDER) - 1)

    def never(*_):
        raise torch.OutOfMemoryError("out of memory")

    painter.network.unet.forward = never
    with pytest.raises(ResourceError, match="one picture at a time"):
        painter.paint(jaw, Recipe(steps=2), Watching(_Told()))


def _fails_once(call, error):
    """The same call, whose first one fails."""
    failed = []

    def once(*args, **more):
        if not failed:
            failed.append(1)
            raise error
        return call(*args, **more)

    return once


SHORT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
]


@pytest.mark.parametrize("error", SHORT, ids=range(len(SHORT)))
def test_short_memory_is_told_by_type_or_words(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("The size of tensor a must match the size of tensor b"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["encode", "decode", "clip"])
def test_encoding_and_decoding_try_again_with_more_room(jaw, weights, part):
    wanted = _painter(weights).paint(jaw, Recipe(steps=2), Watching(_Told()))
    painter, told = _painter(weights), _Told()
    owner, name = (painter.network.clip, "forward") if part == "clip" else (painter.network.vae, part)
    setattr(owner, name, _fails_once(getattr(owner, name), SHORT[1]))
    found = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert told.warnings == ["memory_short"]
    assert np.array_equal(found, wanted)


@pytest.mark.slow
def test_unfinished_views_without_room_are_left_out(jaw, weights):
    painter, told, shown = _painter(weights), _Told(), []
    painter.network.vae.decode = _fails_once(painter.network.vae.decode, SHORT[0])
    painter.paint(jaw, Recipe(steps=4), Watching(told, 1, lambda *_: shown.append(1)))
    assert told.warnings == ["memory_short"]
    assert not shown


def test_other_errors_are_not_taken_for_short_memory(jaw, weights):
    painter = _painter(weights)
    painter.network.clip.forward = _fails_once(painter.network.clip.forward, RuntimeError("a mistake"))
    with pytest.raises(RuntimeError, match="a mistake"):
        painter.paint(jaw, Recipe(steps=2), Watching(_Told()))


def test_a_network_goes_without_being_collected(weights):
    network = read_network(weights)
    gone = ref(network.unet), ref(network.unet.middle_conditions)
    gc.disable()
    try:
        del network
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.slow
def test_no_network_stays_when_all_is_painted(pictures, weights, tmp_path, monkeypatch):
    made = []

    def remembered(path):
        network = read_network(path)
        made.extend(ref(part) for part in (network.unet.body.conv_in, network.vae, network.clip))
        return network

    monkeypatch.setattr("teethscape.diffusion.generate.read_network", remembered)
    generate(_request(pictures, weights, tmp_path / "out", jaws=Jaws.UPPER), _Told())
    assert made
    assert [one() for one in made] == [None] * 3


@pytest.mark.slow
def test_an_overflow_goes_on_in_another_precision(jaw, weights):
    painter = _painter(weights)
    painter.card = Card(torch.device("cpu"), torch.float16)
    for name, part in painter.network.named_children():
        cast(part, torch.float32 if name in ("vae", "clip") else torch.float16)
    real = painter.network.unet.forward

    def overflowing(x, *rest):
        found = real(x, *rest)
        return found * float("inf") if x.dtype is torch.float16 else found

    painter.network.unet.forward = overflowing
    told = _Told()
    views = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert told.warnings == ["half_overflow"]
    assert np.isfinite(views).all()


def test_dead_photo_latents_are_not_made(jaw, weights, monkeypatch):
    painter = _painter(weights)
    with torch.no_grad():
        painter.network.unet.body.conv_in.weight[:, 4:] = 0
    monkeypatch.setattr("teethscape.diffusion.painter.encoded", None)  # would fail if it were called
    generator = torch.Generator().manual_seed(0)
    assert painter.condition(jaw, Recipe(), generator, NoProgress()).photos is None
    with torch.no_grad():
        painter.network.unet.body.conv_in.weight[0, 19, 1, 1] = 1e-3
    with pytest.raises(TypeError):
        painter.condition(jaw, Recipe(), generator, NoProgress())


def test_the_ladder_is_chosen_from_the_free_memory():
    known = peaks()
    assert len(known.steps) == len(LADDER)
    assert list(known.steps) == sorted(known.steps, reverse=True)
    assert choose(80_000_000_000, MemoryMode.AUTO, True) == 0
    assert choose(known.steps[2] + known.margin, MemoryMode.AUTO, True) == 2
    assert choose(1, MemoryMode.AUTO, True) == len(LADDER) - 1
    assert choose(80_000_000_000, MemoryMode.SMALL, True) == len(LADDER) - 1
    assert choose(None, MemoryMode.AUTO, False) == LADDER.index(Chunking(4, True))


def test_the_command_names_what_is_wrong(pictures, tmp_path, capsys):
    assert (
        cli.main(["generate", str(pictures), "--output", str(tmp_path / "o"), "--steps", "1"])
        == ExitCode.BAD_INPUT
    )
    assert (
        cli.main(["generate", str(tmp_path / "none"), "--output", str(tmp_path / "o")]) == ExitCode.BAD_INPUT
    )
    assert "is no folder" in capsys.readouterr().err


def test_white_puts_white_behind_black_pictures(pictures):
    jaw = read_source(pictures, Jaws.UPPER, Backdrop.WHITE, NoProgress())[0]
    assert {picture.mode for picture in jaw.pictures} == {"RGBA"}
    from teethscape.diffusion.pictures import network_input

    assert network_input(jaw.pictures[0], 64)[0, 0].tolist() == [1.0, 1.0, 1.0]
    assert network_input(jaw.pictures[0], 64, white=False)[0, 0].tolist() == [-1.0, -1.0, -1.0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor and xformers")
def test_parity_of_xformers_with_pytorch(jaw, weights):
    pytest.importorskip("xformers", reason="needs xformers")
    card = Card(torch.device("cuda"), torch.float16)
    fast = Painter(read_network(weights), card, 0)
    assert fast.attention == "xformers"
    plain = Painter(read_network(weights), card, 0)
    plain.network.unet.body.disable_xformers_memory_efficient_attention()
    views = [one.paint(jaw, Recipe(steps=2), Watching(NoProgress())) for one in (fast, plain)]
    np.testing.assert_allclose(*views, atol=2e-2)
