"""3MF (3D Manufacturing Format core specification 1.3): units and names included."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from teethscape.mesh.solid import FileNote, Solid

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_OURS = "https://teethscape.org/3mf/2026"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same meshes give the same bytes
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    "</Types>"
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="rel0" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)


def write_3mf(stream: BinaryIO, solids: Sequence[Solid], note: FileNote) -> None:
    """Write meshes as named objects of one build, unit millimetre."""
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATIONS,
        "3D/3dmodel.model": _model(solids, note),
    }
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text.encode("utf-8"), compresslevel=4)


def _model(solids: Sequence[Solid], note: FileNote) -> str:
    metadata = f'<metadata name="Application">{escape(note.entries["generator"])}</metadata>' + "".join(
        f'<metadata name="ts:{name}">{escape(value)}</metadata>'
        for name, value in note.entries.items()
        if name != "generator"
    )
    objects = "".join(_object(index, solid) for index, solid in enumerate(solids, start=1))
    items = "".join(f'<item objectid="{index}"/>' for index in range(1, len(solids) + 1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}" xmlns:ts="{_OURS}">'
        f"{metadata}<resources>{objects}</resources><build>{items}</build></model>"
    )


def _object(index: int, solid: Solid) -> str:
    vertices = "".join(
        f'<vertex x="{x:.5f}" y="{y:.5f}" z="{z:.5f}"/>' for x, y, z in solid.vertices.tolist()
    )
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in solid.faces.tolist())
    return (
        f'<object id="{index}" type="model" name={quoteattr(solid.name)}><mesh>'
        f"<vertices>{vertices}</vertices><triangles>{faces}</triangles></mesh></object>"
    )
