"""The shipped tooth prior: topology, frames, symmetry, spread, bite, size."""

from itertools import pairwise

import numpy as np
import pytest

from teethscape.dental.fdi import LOWER_ARCH, TEETH, UPPER_ARCH, Jaw, is_left, jaw_of, mirrored, right_twin
from teethscape.parametric.prior import PRIOR_FILE, load_prior
from teethscape.parametric.train_prior_surface import Skin

TYPES = sorted({right_twin(fdi) for fdi in TEETH})
MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def prior():
    return load_prior()


def _volume(vertices, faces):
    corners = vertices[faces]
    return np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6


def _areas(vertices, faces):
    corners = vertices[faces]
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


def _gap(prior, first, second):
    """Smallest signed distance between two mean crowns in the mean bite, mm."""
    skins = {f: Skin(prior.mean_vertices(f), prior.faces_of(f)) for f in (first, second)}
    pairs = ((first, second), (second, first))
    return min(skins[b].nearest(prior.mean_vertices(a))[0] for a, b in pairs)


def test_file_is_small_and_complete(prior):
    assert PRIOR_FILE.stat().st_size <= 3_000_000
    assert prior.fdi == TEETH
    assert sorted(prior.shapes) == TYPES
    assert all(s.modes.shape == (20, 1200, 3) for s in prior.shapes.values())


def test_topology_is_a_closed_two_manifold_sphere(prior):
    edges = np.concatenate([prior.faces[:, [0, 1]], prior.faces[:, [1, 2]], prior.faces[:, [2, 0]]])
    directed = {tuple(e) for e in edges.tolist()}
    assert len(directed) == len(edges)
    assert all((b, a) in directed for a, b in directed)
    assert 1200 - len(edges) // 2 + len(prior.faces) == 2
    spokes = [{} for _ in range(1200)]
    for a, b, c in prior.faces.tolist():
        spokes[a][b], spokes[b][c], spokes[c][a] = c, a, b
    assert all(_is_one_cycle(fan) for fan in spokes), "one fan of faces round every vertex"


def _is_one_cycle(following):
    at, seen = next(iter(following)), set()
    while at not in seen:
        seen.add(at)
        at = following[at]
    return len(seen) == len(following)


@pytest.mark.parametrize("tooth", TYPES)
def test_mean_crown_is_outward_even_and_centred(prior, tooth):
    shape = prior.shape(tooth)
    corners = shape.mean[prior.faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    area = _areas(shape.mean, prior.faces)
    quality = 4 * np.sqrt(3) * area / (lengths**2).sum(axis=1)
    assert _volume(shape.mean, prior.faces) > 50
    assert np.allclose(shape.mean.mean(axis=0), 0, atol=1e-4)
    assert quality.mean() > 0.84
    assert quality.min() > 0.25
    assert lengths.min() > 0.1
    assert lengths.max() < 1.3


@pytest.mark.parametrize("tooth", TYPES)
def test_drawn_crowns_do_not_fold(prior, tooth):
    shape = prior.shape(tooth)
    plain = np.cross(*_spans(shape.mean, prior.faces))
    rng = np.random.default_rng(tooth)
    for _ in range(8):
        drawn = shape.mean + np.tensordot(rng.normal(size=20), shape.modes, axes=1)
        turned = np.einsum("fi,fi->f", np.cross(*_spans(drawn, prior.faces)), plain) < 0
        assert turned.mean() < 0.005


def _spans(vertices, faces):
    corners = vertices[faces]
    return corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]


@pytest.mark.parametrize("tooth", TYPES)
def test_neck_cap_faces_the_root_and_is_one_disc(prior, tooth):
    shape = prior.shape(tooth)
    area = _areas(shape.mean, prior.faces)
    share = area[prior.cap_faces].sum() / area.sum()
    assert 0.1 < share < 0.36
    normals = np.cross(*_spans(shape.mean, prior.faces))[prior.cap_faces]
    mean_normal = normals.sum(axis=0) / np.linalg.norm(normals.sum(axis=0))
    assert mean_normal[2] < -0.97
    cap = prior.faces[prior.cap_faces]
    edges = np.concatenate([cap[:, [0, 1]], cap[:, [1, 2]], cap[:, [2, 0]]])
    directed = {tuple(e) for e in edges.tolist()}
    border = {a: b for a, b in directed if (b, a) not in directed}
    ring = prior.neck.tolist()
    assert set(border) == set(ring)
    assert set(border) == {border[a] for a in border}
    assert all(border[a] == b or border[b] == a for a, b in zip(ring, ring[1:] + ring[:1], strict=True))


def test_modes_hold_no_pose_and_no_size(prior):
    for shape in prior.shapes.values():
        flat = shape.modes.reshape(20, -1)
        rigid = [np.tile(axis, len(shape.mean)) for axis in np.eye(3)]
        rigid += [np.cross(axis, shape.mean).ravel() for axis in np.eye(3)] + [shape.mean.ravel()]
        for move in rigid:
            share = np.abs(flat @ move) / np.linalg.norm(move) / np.linalg.norm(flat, axis=1)
            assert share.max() < 2e-3
        gram = flat @ flat.T
        assert np.all(np.diff(np.diag(gram)) <= 1e-6)
        assert np.abs(gram - np.diag(np.diag(gram))).max() < 2e-3 * gram[0, 0]


def test_left_and_right_mirror_each_other(prior):
    for fdi in TEETH:
        assert np.allclose(prior.mean_vertices(fdi) * MIRROR, prior.mean_vertices(mirrored(fdi)), atol=1e-9)
    for cov in (prior.log_size_cov, prior.pose_cov):
        width = len(cov) // 28
        order = np.concatenate([width * TEETH.index(mirrored(f)) + np.arange(width) for f in TEETH])
        assert np.allclose(cov, cov[np.ix_(order, order)], atol=1e-6)


def test_axes_are_anatomical(prior):
    for i, fdi in enumerate(TEETH):
        axes = prior.axes[i]
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)
        assert np.sign(np.linalg.det(axes)) == (1 if fdi // 10 in (1, 3) else -1)
        assert axes[2, 2] * (-1 if jaw_of(fdi) is Jaw.UPPER else 1) > 0.8
        outward = prior.centre[i] * [1, 1, 0] - [0, prior.centre[:, 1].max(), 0]
        assert axes[:, 1] @ outward > 0
        towards_midline = axes[0, 0] * (-1 if is_left(fdi) else 1)
        assert towards_midline > 0.1
        assert _volume(prior.mean_vertices(fdi), prior.faces_of(fdi)) > 0


def test_covariances_are_positive_definite(prior):
    for cov in (prior.pose_cov, prior.log_size_cov, prior.bite_cov):
        assert np.allclose(cov, cov.T, atol=1e-7)
        assert np.linalg.eigvalsh(cov).min() > 1e-6


def test_neighbours_and_antagonists_touch_without_deep_overlap(prior):
    for arch in (UPPER_ARCH, LOWER_ARCH):
        gaps = [_gap(prior, a, b) for a, b in pairwise(arch)]
        assert min(gaps) > -0.06
        assert max(gaps) < 0.06
    right = [min(_gap(prior, low, up) for up in (low - 30, low - 31)) for low in (44, 45, 46, 47)]
    assert sum(gap < 0.1 for gap in right) >= 3
    assert min(right) > -0.1
    assert min(_gap(prior, 41, 11), _gap(prior, 42, 12), _gap(prior, 43, 13)) > -0.1


def test_upper_incisors_bite_in_front_of_the_lower_ones(prior):
    upper, lower = prior.mean_vertices(11), prior.mean_vertices(41)
    tip, edge = upper[np.argmin(upper[:, 2])], lower[np.argmax(lower[:, 2])]
    assert 2.0 < edge[1] - tip[1] < 3.5
    assert 1.0 < edge[2] - tip[2] < 3.0


def test_drawn_arches_stay_close_to_a_mouth(prior):
    rng = np.random.default_rng(0)
    poses = rng.multivariate_normal(np.zeros(168), prior.pose_cov, size=100).reshape(100, 28, 6)
    centres = prior.centre + np.einsum("iab,nib->nia", prior.axes, poses[..., :3])
    for arch in (UPPER_ARCH, LOWER_ARCH):
        rows = [TEETH.index(f) for f in arch]
        steps = np.linalg.norm(np.diff(centres[:, rows], axis=1), axis=2)
        mean = np.linalg.norm(np.diff(prior.centre[rows], axis=0), axis=1)
        assert np.sqrt(((steps - mean) ** 2).mean()) < 1.6


def test_symmetric_moves_have_equal_signs_in_local_axes(prior):
    for right in TYPES:
        a, b = (6 * TEETH.index(f) for f in (right, mirrored(right)))
        scale = np.sqrt(np.diag(prior.pose_cov))
        together = np.diag(prior.pose_cov[a : a + 6, b : b + 6]) / scale[a : a + 6] / scale[b : b + 6]
        assert together.min() > 0.05
