"""From buttons and keys to the request that the engine gets, without Blender."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def clicks(part):
    return part("photos.clicks")


@pytest.fixture
def board(clicks):
    return clicks.ClickBoard((100, 80))


def _place(clicks, part):
    return clicks.ClickPlace(Path("/case"), part("backend.teethscape.dental.views").View(2), "net")


ANSWER = {
    "width": 100, "height": 80, "teeth": {"11": [[[1, 1], [5, 1], [5, 5]]]}, "tooth": 12, "score": 0.9,
    "mask": [[[10, 10], [20, 10], [20, 20]]],
}  # fmt: skip


def test_clicks_and_a_box_become_a_request(clicks, board, part):
    assert board.release((10.0, 20.0), (10.0, 20.0), 1.0, True)
    assert board.release((40.0, 20.0), (40.0, 20.0), 0.0, False)
    assert board.release((50.0, 70.0), (30.0, 5.0), 90.0, True)
    request = clicks.click_request(_place(clicks, part), board)
    assert request == {
        "output": str(Path("/case")), "view": 2, "engine": "net", "action": "click",
        "points": [[10.0, 20.0, True], [40.0, 20.0, False]], "box": [30.0, 5.0, 50.0, 70.0], "tooth": 0,
    }  # fmt: skip


def test_the_engine_understands_the_request(clicks, board, part):
    engine = pytest.importorskip("teethscape.pipeline.click_case", reason="needs the engine's environment")
    board.release((10.0, 20.0), (10.0, 20.0), 1.0, True)
    board.hear(ANSWER)
    for accept, action in ((False, "click"), (True, "accept")):
        read = engine.CaseClick.from_json(clicks.click_request(_place(clicks, part), board, accept))
        assert (read.action.value, int(read.view), read.tooth) == (action, 2, 12 if accept else 0)
        assert read.clicks.points == ((10.0, 20.0),)
    assert engine.CaseClick.from_json(clicks.click_request(_place(clicks, part), None)).action == "prepare"


def test_undo_takes_back_one_mark_after_the_other(board):
    board.release((10.0, 20.0), (10.0, 20.0), 0.0, True)
    board.release((30.0, 20.0), (30.0, 20.0), 0.0, False)
    board.hear(ANSWER)
    assert board.undo()
    assert board.says_where and board.mask  # noqa: PT018
    assert board.undo()
    assert not board.says_where and not board.mask  # noqa: PT018
    assert not board.undo()
    board.hear(ANSWER)  # an answer that comes too late draws nothing
    assert board.mask == []


def test_every_change_is_a_new_revision(board):
    seen = [board.revision]
    board.release((10.0, 20.0), (10.0, 20.0), 0.0, True)
    seen.append(board.revision)
    board.undo()
    seen.append(board.revision)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("point", [(-3.0, 5.0), (5.0, 80.0), (100.0, 5.0)])
def test_clicks_outside_the_photo_do_not_count(board, point):
    assert not board.release(point, point, 0.0, True)
    assert board.revision == 0


def test_a_box_is_cut_at_the_photo_and_must_have_an_area(board):
    assert board.release((-20.0, -20.0), (50.0, 40.0), 80.0, True)
    assert board.marks[-1].points == ((0.0, 0.0), (50.0, 40.0))
    assert not board.release((-20.0, 5.0), (-3.0, 50.0), 80.0, True)
    assert board.release(
        (30.0, 30.0), (35.0, 33.0), 60.0, False
    )  # dragging with the other button only clicks
    assert not board.marks[-1].is_box


def test_a_typed_number_wins_over_the_proposal(board):
    board.release((10.0, 20.0), (10.0, 20.0), 0.0, True)
    board.hear(ANSWER)
    assert board.tooth == 12
    board.type_digit("2")
    assert board.tooth == 12
    board.type_digit("4")
    assert board.tooth == 24
    board.type_digit("9")
    board.type_digit("9")
    assert board.tooth == 12  # 99 is no tooth
    board.begin_next()
    assert (board.tooth, board.marks, board.mask, board.digits) == (0, [], [], "")
    assert board.teeth == {11: ANSWER["teeth"]["11"]}


def test_only_the_cases_own_photos_are_clicked(clicks):
    case = Path("/a/case")
    assert clicks.view_of_photo(case / "photos" / "3.png", case).slug == "maxillary_occlusal"
    for path in (
        case / "photos" / "7.png",
        case / "masks" / "3.png",
        Path("/b/photos/3.png"),
        case / "photos" / "x.png",
    ):
        assert clicks.view_of_photo(path, case) is None


def _record(view: str, content: str, turns: int, mirrored: bool) -> dict:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"view": view, "source_sha256": digest, "quarter_turns": turns, "mirrored": mirrored}


RECORD = {
    "photos": {"0": _record("anterior", "b", 0, False), "3": _record("maxillary_occlusal", "a", 2, True)}
}


def _photo_files(folder: Path, *contents: str) -> list[Path]:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number}.jpg").write_text(content)
    return [folder / f"{number}.jpg" for number in range(len(contents))]


def test_a_refit_gets_the_photos_in_their_recognised_poses(clicks, tmp_path):
    files = _photo_files(tmp_path / "a", "a", "b", "c")
    assert clicks.refit_slots(RECORD, [*files, tmp_path / "gone.jpg"]) == [
        {"view": 0, "path": str(files[1]), "quarter_turns": 0, "mirrored": False},
        {"view": 3, "path": str(files[0]), "quarter_turns": 2, "mirrored": True},
    ]
    assert clicks.refit_slots(RECORD, files[:1]) is None


def test_another_patients_photos_of_the_same_names_are_not_taken(clicks, tmp_path):
    assert clicks.refit_slots(RECORD, _photo_files(tmp_path / "other", "x", "y")) is None
