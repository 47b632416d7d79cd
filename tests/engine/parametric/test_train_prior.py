"""Training the prior: each step on its own, and the shipped file from its source."""

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH, mirrored
from teethscape.errors import BadInputError
from teethscape.parametric import train_prior_mapping as mapping
from teethscape.parametric.prior import load_prior
from teethscape.parametric.train_prior import TYPES, pooled_type, write_arrays
from teethscape.parametric.train_prior_frames import register, type_frames
from teethscape.parametric.train_prior_mapping import Matched, local_models
from teethscape.parametric.train_prior_modes import pool
from teethscape.parametric.train_prior_source import MIRROR, read_published
from teethscape.parametric.train_prior_spread import pose_covariance
from teethscape.parametric.train_prior_surface import InnerFrame, StarSurface, area_vectors, star_centre
from teethscape.parametric.train_prior_template import RING, make_template


@pytest.fixture(scope="module")
def published(shared):
    return read_published(shared / "tooth-prior" / "tooth_prior.npz")


@pytest.fixture(scope="module")
def frames(published):
    return type_frames(published, TYPES)


@pytest.fixture(scope="module")
def template():
    return make_template()


def test_template_is_even_and_keeps_its_ring(template):
    corners = template.directions[template.faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert lengths.max() / lengths.min() < 3
    assert np.ptp(template.directions[:RING, 2]) < 1e-12
    assert template.cap.sum() == RING + 170


def test_rays_find_the_point_they_were_sent_to(template):
    size = np.array([4.0, 3.0, 2.0])
    surface = StarSurface(template.directions * size, template.faces, InnerFrame(np.full(3, 0.1), np.eye(3)))
    sight = surface.vertices - 0.1
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    assert np.allclose(surface.points(sight), surface.vertices, atol=1e-9)


def test_inner_point_is_deep_inside_in_spite_of_a_fold(template):
    vertices = template.directions * [4.0, 3.0, 2.0] + [1.0, 2.0, 3.0]
    folded = vertices.copy()
    first, second = template.faces[2000, :2]
    folded[[first, second]] = folded[[second, first]]
    faces = template.faces.astype(np.int64)
    centre = star_centre(folded, faces)
    vectors = area_vectors(vertices, faces)
    depth = np.einsum("fi,fi->f", vectors, vertices[faces[:, 0]] - centre) / np.linalg.norm(vectors, axis=1)
    assert depth.min() > 1.8


def test_registration_recovers_a_similarity(template):
    rng = np.random.default_rng(0)
    fixed = template.directions * [4.0, 3.0, 2.0] * (1 + 0.2 * template.directions[:, [0]] ** 3)
    turn = np.linalg.qr(np.eye(3) + 0.08 * rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.diag(turn))
    moving = ((fixed - [0.2, 0, -0.1]) @ turn) / 1.04
    found = register(moving, template.faces, fixed, template.faces)
    assert found.scale == pytest.approx(1.04, abs=2e-3)
    assert np.abs(found(moving) - fixed).max() < 0.05


def test_pooling_keeps_the_pooled_covariance():
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(60, 3))
    shared_modes = rng.normal(size=(6, 60, 3))
    right = np.concatenate([mean[None], shared_modes])
    pooled = pool(Matched(right, right.copy(), (0.0, 0.0)))
    assert pooled.kept == pytest.approx(1.0)
    assert pooled.deviation[6:].max() < 1e-9
    assert np.allclose(pooled.mean.mean(axis=0), 0)
    assert np.all(np.diff(pooled.deviation) <= 1e-12)


def test_a_slipped_correspondence_is_found_again(published, frames, template):
    right, left = local_models(published.teeth[13], published.teeth[23].mirrored(), frames[13])
    start = mapping._bent(template.directions, mapping._neck_series(right, left))[::4]
    angle = 0.1
    slip = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    fields = right.fields(start)
    span = mapping._orthonormal(fields[1:].reshape(len(fields) - 1, -1))
    basis = mapping._tangent_basis(start)
    moved = start @ slip.T
    before = np.linalg.norm(moved - start, axis=1).mean()
    for _ in range(3):
        step = mapping._matching_step(left, fields, span, moved, basis)
        moved = moved + np.tensordot(step, basis, axes=1)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    assert np.linalg.norm(moved - start, axis=1).mean() < 0.2 * before


def test_pose_covariance_keeps_the_published_spread_of_each_tooth(published):
    prior = load_prior()
    cov = pose_covariance(published, prior.axes)
    for i, fdi in enumerate(TEETH):
        right = fdi if fdi // 10 in (1, 4) else mirrored(fdi)
        both = published.teeth[right].pose_cov + published.teeth[mirrored(right)].mirrored().pose_cov
        block = cov[6 * i : 6 * i + 6, 6 * i : 6 * i + 6]
        assert np.trace(block[:3, :3]) == pytest.approx(np.trace(both[:3, :3]) / 2)
        assert np.trace(block[3:, 3:]) == pytest.approx(np.trace(both[3:, 3:]) / 2)


def test_mirroring_a_published_tooth_twice_gives_it_back(published):
    tooth = published.teeth[14]
    back = tooth.mirrored().mirrored()
    assert np.allclose(back.pose_cov, tooth.pose_cov)
    assert np.array_equal(back.faces, tooth.faces)
    assert np.allclose(tooth.mirrored().vertices, tooth.vertices @ MIRROR)


@pytest.mark.slow
@pytest.mark.parametrize("tooth", [13, 46])
def test_shipped_crown_comes_from_its_source(published, frames, template, tooth):
    shape = pooled_type(published, tooth, frames[tooth], template)
    shipped = load_prior().shape(tooth)
    assert np.abs(shape.mean - shipped.mean).max() < 0.02
    ours, theirs = shape.modes.reshape(20, -1), shipped.modes.reshape(20, -1)
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    assert np.linalg.svd(ours @ theirs.T, compute_uv=False).min() > 0.99
    assert np.allclose(shape.deviation, np.linalg.norm(shipped.modes.reshape(20, -1), axis=1), rtol=0.01)


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, {"x": np.arange(50.0), "y": np.eye(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as data:
        assert np.array_equal(data["x"], np.arange(50.0))


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, mean=np.zeros(3))
    with pytest.raises(BadInputError, match="does not hold the published tooth model"):
        read_published(path)
