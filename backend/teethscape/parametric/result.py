"""The finished fit as a result: crowns that do not overlap, a bite, cameras, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.lengths import KnownLength
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.dental.views import View
from teethscape.errors import BadInputError, RefusedError
from teethscape.parametric.arch import Arch
from teethscape.parametric.bite import Bite, settle_bite
from teethscape.parametric.calibration import load_calibration
from teethscape.parametric.fit import Fit
from teethscape.parametric.interface import FitInputs, FitResult, FittedTooth
from teethscape.parametric.penetration import vertex_normals
from teethscape.parametric.placement import Placement, camera_record, rigid_alignment
from teethscape.parametric.posterior import (
    JawPosterior,
    centre_covariance,
    jaw_posterior,
    posterior_covariance,
    surface_sigma,
)
from teethscape.parametric.rotation import FloatArray, rotation_matrix
from teethscape.parametric.scale import (
    Length,
    ScaleEstimate,
    arch_width,
    estimate_scale,
    prior_scale_sigma,
    tooth_width,
)
from teethscape.parametric.separation import separate, worst_overlap
from teethscape.parametric.solver import assemble
from teethscape.parametric.visibility import seen_vertices


@dataclass(frozen=True)
class Numbered:
    """Label images in FDI numbers and how they came to be.

    Attributes:
        labels: (h, w) FDI numbers per view, 0 = none.
        present: teeth that exist.
        numbering: per view, given label value to FDI number.
        margin: per view, how much worse the next best numbering is; empty when given.
        notices: sentences for the user.
        doubt: what to refuse with unless all teeth of a doubtful occlusal photo's jaw are there.
        mirrored: per tested photo, False where it certainly is not taken through a mirror, else None.
    """

    labels: Mapping[View, NDArray[np.int32]]
    present: frozenset[int]
    numbering: Mapping[View, Mapping[int, int]]
    margin: Mapping[View, float]
    notices: tuple[str, ...]
    doubt: RefusedError | None = None
    mirrored: Mapping[View, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Solved:
    """The fit with its posterior and its final surfaces, still in the fit's frame.

    Attributes:
        fit: the fit.
        arch: teeth at the solution.
        posterior: per jaw.
        meshes: (V, 3) crowns by index, own jaw, overlaps removed.
        bite: where the lower jaw goes.
        seen_in: views that show each tooth, by index.
        seen: (V,) vertices that any photo shows, by index.
    """

    fit: Fit
    arch: Arch
    posterior: dict[Jaw, JawPosterior]
    meshes: dict[int, FloatArray]
    bite: Bite
    seen_in: dict[int, tuple[View, ...]]
    seen: dict[int, NDArray[np.bool_]]

    def fdi(self, index: int) -> int:
        """Number of a tooth by index."""
        return self.arch.prior.fdi[index]

    def jaw(self, index: int) -> Jaw:
        """Jaw of a tooth by index."""
        return jaw_of(self.fdi(index))


def build_result(inputs: FitInputs, fit: Fit, numbered: Numbered) -> FitResult:
    """Everything that a fit says, in the world frame and in millimetres."""
    solved = _solved(fit)
    scale = _scale(solved, inputs.known_lengths)
    upper = _world_placement(solved, scale.factor)
    places = {Jaw.UPPER: upper, Jaw.LOWER: upper.after(solved.bite.placement)}
    teeth = {solved.fdi(i): _tooth(solved, i, places, scale) for i in solved.meshes}
    cameras = {}
    for observation, camera in zip(fit.problem.observations, fit.state.cameras, strict=True):
        photo = inputs.photos[observation.view]
        place = places[Jaw.LOWER] if observation.view is View.MANDIBULAR_OCCLUSAL else upper
        cameras[observation.view] = camera_record(camera, place, photo.width, photo.height)
    source = ScaleSource.KNOWN_LENGTH if inputs.known_lengths else ScaleSource.ESTIMATED
    return FitResult(
        teeth=teeth,
        cameras=cameras,
        lower_to_upper=places[Jaw.LOWER].after(upper.inverse()).matrix(),
        scale=ScaleRecord(source, scale.relative_sigma, scale.factor),
        notices=numbered.notices,
        numbering=numbered.numbering,
        metrics=_metrics(solved),
    )


def _solved(fit: Fit) -> _Solved:
    """Posterior, surfaces without overlap, bite and visibility."""
    arch, present = Arch(fit.problem.prior, fit.state.arch), fit.problem.present
    system, _ = assemble(fit.problem, fit.state, fit.problem.noise)
    covariance = posterior_covariance(system, load_calibration().inflation)
    posterior = {}
    for jaw in Jaw:
        teeth = [int(i) for i in present if jaw_of(arch.prior.fdi[i]) is jaw]
        if teeth:
            posterior[jaw] = jaw_posterior(arch, system, covariance, teeth)
    faces = {int(i): arch.prior.faces_of(arch.prior.fdi[i]) for i in present}
    pairs = [(n.first, n.second) for n in fit.problem.neighbours]
    meshes = separate({i: arch.vertices(i) for i in faces}, faces, pairs)
    columns = system.layout.bite()
    bite = settle_bite(arch, meshes, covariance[np.ix_(columns, columns)])
    shots = zip(fit.problem.observations, fit.state.cameras, strict=True)
    shown = {o.view: seen_vertices(arch, present, o, camera) for o, camera in shots}
    seen_in = {i: tuple(v for v, s in shown.items() if i in s and s[i].any()) for i in faces}
    seen = {i: np.any([shown[v][i] for v in seen_in[i]], axis=0) for i in faces if seen_in[i]}
    return _Solved(fit, arch, posterior, meshes, bite, seen_in, seen)


def _length_of(solved: _Solved, known: KnownLength) -> Length:
    """The fitted counterpart of a measured length."""
    index = {solved.fdi(i): i for i in solved.meshes}
    missing = [fdi for fdi in known.teeth if fdi not in index]
    if missing:
        raise BadInputError(
            "known_length_absent",
            f"The known length {known} names tooth {missing[0]}, which the photos do not show.",
            "Give the length of a tooth that is present.",
        )
    teeth = [index[fdi] for fdi in known.teeth]
    posterior = solved.posterior[solved.jaw(teeth[0])]
    if known.is_width:
        return tooth_width(solved.arch, posterior, teeth[0])
    return arch_width(solved.arch, posterior, (teeth[0], teeth[1]))


def _scale(solved: _Solved, known: tuple[KnownLength, ...]) -> ScaleEstimate:
    lengths = [_length_of(solved, k) for k in known]
    return estimate_scale(known, lengths, prior_scale_sigma(solved.arch.prior))


def _world_placement(solved: _Solved, scale: float) -> Placement:
    """Where the upper jaw goes: centres of all teeth onto the prior's, then the scale."""
    prior = solved.arch.prior
    centres = []
    for index, mesh in solved.meshes.items():
        centre = mesh.mean(axis=0)[None]
        centres.append(solved.bite.placement.points(centre)[0] if solved.arch.is_lower(index) else centre[0])
    rigid = rigid_alignment(np.array(centres), prior.centre[list(solved.meshes)])
    return Placement(scale, np.eye(3), np.zeros(3)).after(rigid)


def _tooth(solved: _Solved, index: int, places: dict[Jaw, Placement], scale: ScaleEstimate) -> FittedTooth:
    """One crown in the world frame."""
    arch, mesh, fdi = solved.arch, solved.meshes[index], solved.fdi(index)
    faces, cap = arch.prior.faces_of(fdi), arch.prior.shape(fdi).cap
    posterior, place = solved.posterior[solved.jaw(index)], places[solved.jaw(index)]
    width = tooth_width(arch, posterior, index)
    turn = rotation_matrix(arch.state.rotation[index])
    seen = solved.seen.get(index, np.zeros(len(mesh), bool))
    return FittedTooth(
        vertices=place.points(mesh),
        faces=faces,
        sigma_mm=scale.factor * surface_sigma(arch, posterior, index, vertex_normals(mesh, faces)),
        inferred=~seen | cap,
        cap=cap,
        centre=place.points(mesh.mean(axis=0)[None])[0],
        centre_cov=place.covariance(centre_covariance(arch, posterior, index)),
        axes=place.rotation @ arch.prior.axes[index] @ turn,
        confidence=presence_confidence(len(solved.seen_in[index]), float((seen & ~cap).sum() / (~cap).sum())),
        seen_in=solved.seen_in[index],
        width_mm=scale.factor * width.mm,
        width_sigma_mm=scale.factor * float(np.hypot(width.sigma_mm, width.mm * scale.relative_sigma)),
    )


def presence_confidence(views: int, seen_share: float) -> float:
    """Confidence 0..1 that a tooth exists: more views and more surface say more."""
    return float(1.0 - 0.5 ** (1.0 + views + 4.0 * seen_share))


def _metrics(solved: _Solved) -> dict[str, float]:
    """Figures for reports and benchmarks."""
    arch, problem = solved.arch, solved.fit.problem
    faces = {i: arch.prior.faces_of(solved.fdi(i)) for i in solved.meshes}
    pairs = [(n.first, n.second) for n in problem.neighbours]
    bite = solved.bite.report
    out = {
        "neighbour_overlap_mm": worst_overlap(solved.meshes, faces, pairs),
        "bite_penetration_p99_mm": bite.penetration_p99_mm,
        "bite_contacts_right": float(bite.contacts_right),
        "bite_contacts_left": float(bite.contacts_left),
    }
    for observation, residual in zip(problem.observations, solved.fit.state.residual_px, strict=True):
        out[f"residual_px_{observation.view.slug}"] = residual
    return out
