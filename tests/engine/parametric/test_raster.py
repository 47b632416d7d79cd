"""The z-buffer and the outlines taken from it."""

import numpy as np
import pytest
import trimesh

from teethscape.parametric.camera import Camera
from teethscape.parametric.contours import outline, owned_outline
from teethscape.parametric.raster import TriangleSoup, render_ids


@pytest.fixture
def camera() -> Camera:
    return Camera(160, 120, 200.0, np.array([79.5, 59.5]), np.eye(3), np.array([0.0, 0.0, 50.0]), np.zeros(3))


def soup_of(*balls: tuple[np.ndarray, float]) -> TriangleSoup:
    meshes = [trimesh.creation.icosphere(4, radius).apply_translation(centre) for centre, radius in balls]
    shift = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [np.asarray(m.faces) + s for m, s in zip(meshes, shift, strict=False)]
    owner = np.repeat(np.arange(len(meshes)), [len(f) for f in faces])
    vertices = np.concatenate([m.vertices for m in meshes])
    return TriangleSoup(vertices, np.concatenate(faces).astype(np.int32), owner.astype(np.int32))


def test_a_ball_is_a_disc_of_the_right_size(camera):
    buffer = render_ids(soup_of((np.zeros(3), 8.0)), camera)
    radius = 200.0 * 8.0 / np.sqrt(50.0**2 - 8.0**2)
    assert (buffer.owner == 0).sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    assert buffer.depth[60, 80] == pytest.approx(42.0, abs=0.05)
    assert np.isinf(buffer.depth[0, 0])


def test_the_nearer_ball_hides_the_farther_one(camera):
    near, far = (np.array([2.0, 0.0, -10.0]), 4.0), (np.array([-2.0, 0.0, 10.0]), 6.0)
    buffer = render_ids(soup_of(far, near), camera)
    column, row = np.rint(camera.project(np.array([[2.0, 0.0, -10.0]]))[0]).astype(int)
    assert buffer.owner[row, column] == 1
    column, row = np.rint(camera.project(np.array([[-6.0, 0.0, 10.0]]))[0]).astype(int)
    assert buffer.owner[row, column] == 0


def test_every_hit_face_projects_onto_its_pixel(camera):
    soup = soup_of((np.array([1.0, -2.0, 3.0]), 7.0))
    buffer = render_ids(soup, camera)
    row, column = np.nonzero(buffer.face >= 0)
    centre = camera.project(soup.vertices[soup.faces[buffer.face[row, column]]].mean(axis=1))
    assert np.abs(centre - np.stack([column, row], axis=1)).max() < 4


def test_outline_lies_on_the_disc_and_looks_outwards():
    y, x = np.mgrid[:100, :120]
    labels = np.where((x - 60) ** 2 + (y - 50) ** 2 <= 30**2, 4, -1).astype(np.int32)
    contour = outline(labels)
    away = contour.position - [60, 50]
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - 30.2).max() < 0.8
    assert ((away / radius[:, None]) * contour.normal).sum(axis=1).min() > 0.95
    assert set(contour.tooth) == {4}


def test_a_label_cut_by_the_picture_has_no_outline_there():
    labels = np.full((60, 60), -1, np.int32)
    labels[20:40, :30] = 2
    assert outline(labels).position[:, 0].min() > 2


def test_an_occluded_edge_belongs_to_the_nearer_tooth_alone(camera):
    near, far = (np.array([3.0, 0.0, -10.0]), 4.0), (np.array([-2.0, 0.0, 10.0]), 6.0)
    buffer = render_ids(soup_of(far, near), camera)
    contour = owned_outline(buffer, buffer.owner)
    between = (contour.tooth == 0) & (contour.other == 1)
    assert not between.any()
    assert ((contour.tooth == 1) & (contour.other == 0)).any()
