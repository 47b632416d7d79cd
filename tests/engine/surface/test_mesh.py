"""Marching cubes and finished meshes: closed, two-manifold, even, small enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import CancelledError, RefusedError
from teethscape.mesh.solid import FileNote, Solid
from teethscape.surface.frame import Frame
from teethscape.surface.grid.field import GridField
from teethscape.surface.make import unit_of
from teethscape.surface.mesh import sampling
from teethscape.surface.mesh.finish import (
    TOLERANCE_MM,
    arrays,
    finished,
    is_two_manifold,
    manifold,
    simplified,
)
from teethscape.surface.mesh.marching import marching_cubes
from teethscape.surface.mesh.marching_table import loops, triangles
from teethscape.surface.mesh.teeth import KnownArch, tooth_bodies

from .scene import SCALE, arch_mesh


def _volume(vertices, faces):
    corners = vertices[faces]
    return np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6


def test_every_case_is_cut_into_all_its_loops():
    for case in range(256):
        assert len(triangles(case)) == sum(len(loop) - 2 for loop in loops(case))


def test_the_surface_of_noise_is_closed_and_two_manifold():
    values = np.random.default_rng(0).standard_normal((14, 15, 16))
    padded = np.pad(values, 1, constant_values=1.0)
    vertices, faces = marching_cubes(padded)
    assert is_two_manifold(faces)
    assert manifold(vertices, faces) is not None


def test_a_sphere_has_its_volume_and_faces_outward():
    places = np.stack(np.meshgrid(*[np.arange(25.0)] * 3, indexing="ij"), axis=-1)
    vertices, faces = marching_cubes(np.linalg.norm(places - 12, axis=-1) - 9)
    assert _volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.02)
    np.testing.assert_allclose(np.linalg.norm(vertices - 12, axis=1), 9, atol=0.02)


def _round(kind, pitch=0.4):
    axis = np.arange(-7, 7 + pitch, pitch)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    if kind == "box":
        out = np.abs(np.stack([x, y, z])) - np.array([4, 3, 4.5])[:, None, None, None]
        values = np.linalg.norm(np.maximum(out, 0), axis=0) + np.minimum(out.max(axis=0), 0) - 1
    elif kind == "ellipsoid":
        values = (np.sqrt((x / 6) ** 2 + (y / 5) ** 2 + (z / 4) ** 2) - 1) * 4
    else:
        values = np.sqrt(x**2 + y**2 + z**2) - 5 + 0.4 * np.sin(2 * x) * np.sin(2 * y) * np.sin(2 * z)
    return GridField(values.astype(np.float32), np.full(3, -7.0), pitch)


def _off(one, other):
    """Largest distance of some 20 000 points on a mesh from another one, among its nearest triangles."""
    points, _ = trimesh.sample.sample_surface(one, 20_000, seed=0)
    corners = other.triangles
    _, near = KDTree(corners.mean(axis=1)).query(points, k=min(150, len(corners)))
    pairs = corners[near.reshape(-1)], np.repeat(points, near.shape[1], axis=0)
    found = np.linalg.norm(trimesh.triangles.closest_point(*pairs) - pairs[1], axis=1)
    return found.reshape(near.shape).min(axis=1).max()


@pytest.mark.parametrize("kind", ["box", "ellipsoid", "bumpy"])
def test_decimation_keeps_within_what_it_is_allowed(kind):
    even = manifold(*_round(kind).surface())
    fine, small = (trimesh.Trimesh(*arrays(solid)) for solid in (even, simplified(even, TOLERANCE_MM)))
    assert len(small.faces) < 0.98 * len(fine.faces)
    assert max(_off(small, fine), _off(fine, small)) < TOLERANCE_MM


def test_nothing_has_no_surface():
    vertices, faces = marching_cubes(np.ones((4, 4, 4)))
    assert vertices.shape == (0, 3)
    assert faces.shape == (0, 3)


def _balls(pitch=0.4):
    """Two balls of 4 mm and a crumb."""
    axes = [np.arange(-8, 8, pitch), np.arange(-6, 6, pitch), np.arange(-6, 6, pitch)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    centres = (((-3.0, 0, 0), 4.0), ((3.5, 0, 0), 4.0), ((0.0, 5, 5), 0.6))
    values = np.min([np.linalg.norm(places - c, axis=-1) - r for c, r in centres], axis=0)
    return GridField(values.astype(np.float32), np.array([-8.0, -6, -6]), pitch)


def test_things_of_another_size_are_finished_as_finely():
    field, unit = _balls(), 1 / 60
    small = GridField(field.values * np.float32(unit), field.low * unit, field.pitch * unit)
    wanted, found = finished(field), finished(small, unit=unit)
    assert (found.components, found.crumbs) == (wanted.components, wanted.crumbs) == (1, 1)
    assert len(found.faces) == pytest.approx(len(wanted.faces), rel=0.1)
    assert found.tolerance_mm == pytest.approx(wanted.tolerance_mm * unit)
    assert len(finished(small).faces) < 0.1 * len(wanted.faces)  # by 0.02 of its units


@pytest.mark.parametrize(("is_dental", "unit"), [(True, 1.0), (False, 0.05)])
def test_a_millimetre_is_one_of_teeth_alone(is_dental, unit):
    note = FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.0))
    field = GridField(np.zeros((31, 11, 11), np.float32), np.zeros(3), 0.1)
    assert unit_of(field, Frame(1.0, np.zeros(3), is_dental, note)) == pytest.approx(unit)


def test_a_finished_mesh_is_whole_even_and_near_the_field():
    field = _balls()
    mesh = finished(field)
    assert is_two_manifold(mesh.faces)
    assert manifold(mesh.vertices, mesh.faces) is not None
    assert (mesh.components, mesh.crumbs) == (1, 1)
    assert mesh.edge_spread < 0.35
    raw, faces = field.surface()
    lengths = np.linalg.norm(raw[faces] - np.roll(raw[faces], 1, axis=1), axis=2)
    assert mesh.edge_spread < lengths.std() / lengths.mean()
    assert np.abs(field.at(mesh.vertices)).max() < 0.06


def test_a_mesh_with_too_many_triangles_is_decimated_further():
    mesh = finished(_balls(), most=400)
    assert len(mesh.faces) <= 400
    assert mesh.tolerance_mm > 0.02
    assert is_two_manifold(mesh.faces)


def test_an_empty_field_is_refused():
    with pytest.raises(RefusedError) as refused:
        finished(GridField(np.ones((5, 5, 5), np.float32), np.zeros(3), 1.0))
    assert refused.value.code == "surface_empty"
    assert "masks" not in refused.value.message  # they may well have room for a body


def test_each_tooth_of_a_known_arch_becomes_a_closed_body():
    vertices, faces = arch_mesh(((-0.085, 0.0), (0.085, 0.0)))
    half = len(vertices) // 2
    crowns = {
        41: Solid("FDI_41", vertices[:half] * SCALE, faces[: len(faces) // 2]),
        31: Solid("FDI_31", vertices[half:] * SCALE, faces[len(faces) // 2 :] - half),
    }
    arch = KnownArch(crowns)
    low, high = vertices.min(axis=0) * SCALE - 2, vertices.max(axis=0) * SCALE + 2
    counts = np.ceil((high - low) / 0.5).astype(int)
    field = GridField(np.zeros(tuple(counts), np.float32), low, 0.5)
    field = GridField(arch.signed(field.nodes()).reshape(tuple(counts)).astype(np.float32), low, 0.5)
    bodies = tooth_bodies(field, arch)
    assert set(bodies) == {41, 31}
    for fdi, body in bodies.items():
        assert is_two_manifold(body.faces)
        wanted = _volume(crowns[fdi].vertices, crowns[fdi].faces)
        assert _volume(body.vertices, body.faces) == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("grown", [0.03, 0.2, 0.3, 0.5])
def test_a_tooth_that_is_not_there_is_no_sliver_of_its_neighbours(grown):
    """The middle one of three is missing, the others are somewhat larger than the arch says."""
    middles = {12: -8.0, 11: 0.0, 21: 8.0}
    ball = trimesh.creation.icosphere(subdivisions=4, radius=4.0)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces, np.int32)
    crowns = {fdi: Solid(f"FDI_{fdi}", vertices + np.array([x, 0, 0]), faces) for fdi, x in middles.items()}
    low, high = np.array([-14.0, -6, -6]), np.array([14.0, 6, 6])
    field = GridField(np.zeros(tuple(np.ceil((high - low) / 0.25).astype(int)), np.float32), low, 0.25)
    near = [np.linalg.norm(field.nodes() - [x, 0, 0], axis=1) for fdi, x in middles.items() if fdi != 11]
    values = np.min(near, axis=0) - (4 + grown)
    field = replace(field, values=values.reshape(field.values.shape).astype(np.float32))
    assert set(tooth_bodies(field, KnownArch(crowns))) == {12, 21}


def test_cutting_teeth_can_be_stopped():
    def stop(_):
        raise CancelledError

    ball = Solid("FDI_11", *arch_mesh(((0.0, 0.0),)))
    with pytest.raises(CancelledError):
        tooth_bodies(_balls(), KnownArch({11: ball}), stop)


def test_a_surface_taken_at_another_value_is_moved_back():
    """A crack that is shallower than the value closes, and the ball keeps its size."""
    axes = [np.arange(-6, 6, 0.4)] * 3
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = np.linalg.norm(places, axis=-1) - 4
    cracked = np.where(np.abs(places[..., 0]) < 0.7, np.maximum(values, 0.1), values)
    whole, halves = (GridField(v.astype(np.float32), np.full(3, -6.0), 0.4) for v in (values, cracked))
    assert finished(halves).components == 2
    assert finished(halves, level=0.3).components == 1
    mesh = finished(whole, level=0.3)
    assert is_two_manifold(mesh.faces)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 4, atol=0.06)


@pytest.mark.parametrize("chunk", [1, 700, 1 << 21])
def test_the_box_of_a_surface_does_not_depend_on_how_much_is_looked_at_together(monkeypatch, chunk):
    monkeypatch.setattr(sampling, "_CHUNK", chunk)
    low, high, counts = np.array([-2.0, -1, -1]), np.array([2.0, 1, 2]), np.array([33, 17, 25])
    ball = lambda p: np.linalg.norm(p - np.float32([0.5, 0, 0.5]), axis=1) - np.float32(0.8)  # noqa: E731
    first, last = sampling.surface_box(ball, low, high, counts)
    assert first == pytest.approx([-0.46, -0.96, -0.46], abs=0.01)
    assert last == pytest.approx([1.46, 0.96, 1.46], abs=0.01)
    looked = []
    assert sampling.surface_box(lambda p: ball(p) + 9, low, high, counts, lambda: looked.append(1)) is None
    assert len(looked) == {1: 33, 700: 33, 1 << 21: 1}[chunk]
