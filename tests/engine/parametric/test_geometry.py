"""Rotations, cameras and posed crowns: every analytic derivative against differences."""

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import load_prior
from teethscape.parametric.rims import camera_in_view, vertices_in_view
from teethscape.parametric.rotation import left_jacobian, rotation_matrix, rotation_vector

STEP = 1e-6


@pytest.fixture(scope="module")
def arch() -> Arch:
    rng = np.random.default_rng(3)
    state = ArchState(
        rng.normal(0, 0.5, (28, 3)),
        rng.normal(0, 0.1, (28, 3)),
        rng.normal(0, 0.05, 28),
        rng.normal(0, 1, (28, 10)),
        np.array([0.5, -1.0, 0.3, 0.02, -0.03, 0.01]),
    )
    return Arch(load_prior(), state)


@pytest.fixture
def camera() -> Camera:
    turn = rotation_matrix(np.array([1.2, 0.3, -0.2]))
    return Camera(720, 540, 900.0, np.array([350.0, 280.0]), turn, np.array([2.0, -3.0, 70.0]), np.ones(3))


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.4, 3.0, np.pi - 1e-7])
def test_rotation_vector_is_the_inverse_of_the_matrix(angle):
    vector = angle * np.array([0.6, -0.48, 0.64])
    back = rotation_matrix(rotation_vector(rotation_matrix(vector)))
    assert np.allclose(back, rotation_matrix(vector), atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 2.0, np.pi])
def test_one_rotation_is_that_of_a_stack(angle):
    vector = angle * np.array([0.6, -0.48, 0.64])
    assert np.allclose(rotation_matrix(vector), rotation_matrix(vector[None])[0], atol=1e-14)


def test_left_jacobian_moves_the_rotation():
    vector, change = np.array([0.5, -0.2, 0.9]), STEP * np.array([1.0, 2.0, -1.0])
    direct = rotation_matrix(vector + change)
    composed = rotation_matrix(left_jacobian(vector) @ change) @ rotation_matrix(vector)
    assert np.allclose(direct, composed, atol=1e-10)


def test_camera_derivatives(camera):
    points = np.random.default_rng(0).normal(0, 15, (6, 3))
    _, to_point, to_step = camera.jacobians(points)
    for k in range(3):
        moved = points + STEP * np.eye(3)[k]
        assert np.allclose(
            (camera.project(moved) - camera.project(points)) / STEP, to_point[:, :, k], atol=1e-3
        )
    for k in range(9):
        moved = camera.moved(STEP * np.eye(9)[k])
        assert np.allclose(
            (moved.project(points) - camera.project(points)) / STEP, to_step[:, :, k], atol=2e-2
        )


def test_resized_camera_sees_the_resampled_picture(camera):
    points = np.random.default_rng(1).normal(0, 15, (5, 3))
    half = camera.resized(360, 270)
    assert np.allclose((camera.project(points) + 0.5) / 2 - 0.5, half.project(points))


def test_cam2world_has_the_centre_and_the_axes(camera):
    pose = camera.cam2world
    assert np.allclose(camera.to_camera(pose[:3, 3][None]), 0, atol=1e-9)
    assert np.allclose(camera.to_camera((pose[:3, 3] + pose[:3, 2])[None]), [[0, 0, 1]], atol=1e-9)


@pytest.mark.parametrize("fdi", [11, 26, 36, 43])
def test_tooth_derivatives(arch, fdi):
    index = arch.prior.fdi.index(fdi)
    rows = np.array([0, 50, 300])
    analytic = arch.vertex_jacobian(index, rows)
    for k in range(17):
        step = np.zeros((28, 17))
        step[index, k] = STEP
        moved = Arch(arch.prior, arch.state.moved(step, np.zeros(6)))
        numeric = (moved.vertices(index)[rows] - arch.vertices(index)[rows]) / STEP
        assert np.allclose(numeric, analytic[:, :, k], atol=1e-4)


def test_bite_derivatives(arch):
    points = arch.vertices(20)[:4]
    along = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0, 0.8]])
    to_point, to_bite = arch.pull_bite(points, along)
    for k in range(6):
        step = np.zeros(6)
        step[k] = STEP
        moved = Arch(arch.prior, arch.state.moved(np.zeros((28, 17)), step))
        change = ((moved.bitten(points) - arch.bitten(points)) * along).sum(axis=1)
        assert np.allclose(change / STEP, to_bite[:, k], atol=1e-4)
    shifted = arch.bitten(points + STEP * np.eye(3)[0])
    change = ((shifted - arch.bitten(points)) * along).sum(axis=1)
    assert np.allclose(change / STEP, to_point[:, 0], atol=1e-6)


def test_camera_pull_agrees_with_the_jacobians(camera):
    points = np.random.default_rng(0).normal(0, 10, (6, 3))
    along = np.random.default_rng(1).normal(0, 1, (6, 2))
    _, to_point, to_step = camera.jacobians(points)
    pulled_point, pulled_step = camera.pull(points, along)
    assert np.allclose(pulled_point, np.einsum("ni,nij->nj", along, to_point))
    assert np.allclose(pulled_step, np.einsum("ni,nij->nj", along, to_step))


def test_left_teeth_mirror_right_ones_under_equal_parameters():
    prior = load_prior()
    step = np.zeros((28, 17))
    for fdi in (13, 23):
        step[prior.fdi.index(fdi)] = np.r_[0.4, -0.3, 0.2, 0.1, -0.2, 0.15, 0.05, np.linspace(-1, 1, 10)]
    arch = Arch(prior, ArchState.mean().moved(step, np.zeros(6)))
    right, left = (arch.vertices(prior.fdi.index(fdi)) for fdi in (13, 23))
    assert np.allclose(right * [-1, 1, 1], left, atol=1e-6)


@pytest.mark.parametrize(
    ("view", "fdi"),
    [
        (View.MANDIBULAR_OCCLUSAL, 33),
        (View.MAXILLARY_OCCLUSAL, 16),
        (View.ANTERIOR, 16),
        (View.ANTERIOR, 33),
    ],
)
def test_a_camera_of_teeth_in_occlusion_shows_a_crown_of_the_view_at_the_same_place(arch, camera, view, fdi):
    index = arch.prior.fdi.index(fdi)
    there = camera_in_view(arch, view, camera).project(vertices_in_view(arch, index, view))
    assert np.allclose(there, camera.project(arch.world_vertices(index)), atol=1e-6)
