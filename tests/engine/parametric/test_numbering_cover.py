"""Covered pixels looked up one by one, against a drawn picture."""

import numpy as np

from teethscape.dental.fdi import TEETH
from teethscape.parametric.arch import ArchState
from teethscape.parametric.numbering.cover import Crowns, behind_others
from teethscape.parametric.numbering.hulls import FORMS, hulls_of, place_hulls
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import TriangleSoup, render_ids

from .test_numbering_parts import camera_at

PRIOR = load_prior()
CAMERA = camera_at(-45, 0)


def crowns(teeth: list[int]) -> Crowns:
    placed = place_hulls(Layouts(PRIOR).get(frozenset()), ArchState.mean(len(TEETH), FORMS))
    return Crowns(teeth, placed.points, hulls_of(PRIOR).faces)


def drawn(scene: Crowns) -> np.ndarray:
    count = scene.points.shape[1]
    faces = np.concatenate([scene.faces[tooth] + tooth * count for tooth in scene.teeth])
    owner = np.repeat(np.array(scene.teeth, np.int32), [len(scene.faces[tooth]) for tooth in scene.teeth])
    return render_ids(TriangleSoup(scene.points.reshape(-1, 3), faces, owner), CAMERA).owner


def test_as_a_drawn_picture_tells():
    scene = crowns([TEETH.index(fdi) for fdi in TEETH])
    picture = drawn(scene)
    row, column = (grid.ravel()[::7] for grid in np.indices(picture.shape))
    pixels = np.column_stack([column, row]).astype(float)
    shown = picture[row, column]
    for tooth in (TEETH.index(14), TEETH.index(44), TEETH.index(27)):
        found = behind_others(scene, CAMERA, pixels, np.full(len(pixels), tooth))
        assert ((shown >= 0) & (shown != tooth)).tolist() == found.tolist()
        assert found.any()
        assert not found.all()


def test_a_tooth_does_not_cover_itself():
    index = TEETH.index(14)
    scene = crowns([index])
    pixels = np.argwhere(drawn(scene) >= 0)[:, ::-1].astype(float)
    assert not behind_others(scene, CAMERA, pixels, np.full(len(pixels), index)).any()
    assert behind_others(scene, CAMERA, pixels, np.full(len(pixels), TEETH.index(15))).all()
