"""`vixen content list | review | find | verify`."""

from __future__ import annotations

import io
import json

import pytest
from content_kit_pieces import give_plan, picture
from PIL import Image
from typer.testing import CliRunner
from vixen_identity import add_avatars

from vixen_pipeline.cli import content as commands
from vixen_pipeline.cli.main import app
from vixen_pipeline.content.listing import list_pieces
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.stages import no_progress


@pytest.fixture
def luna(core, monkeypatch):
    from contextlib import contextmanager

    @contextmanager
    def same_core():
        yield core

    monkeypatch.setattr(commands, "services_for_command", same_core)
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 4, formats={"carousel": 1})
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    return luna


def vixen(*words: str):
    return CliRunner().invoke(app, ["content", *map(str, words)])


def test_list_shows_pieces_and_filters_them(core, luna):
    document = json.loads(vixen("list", luna.key, "--json").stdout)
    assert len(document) == 5
    still = next(each for each in document if each["format"] == "still")
    assert {file["name"] for file in still["files"]} == {"4:5", "1:1", "9:16"}
    assert set(still["captions"]) == {"instagram", "tiktok"}
    assert still["lineage"]["prompt"] and still["disclosure"]["tiktok"]
    carousel = json.loads(vixen("list", luna.key, "--format", "carousel", "--json").stdout)
    assert len(carousel) == 1 and len(carousel[0]["members"]) == 2
    assert set(carousel[0]["captions"]) == {"instagram", "tiktok"}
    assert len(vixen("list", luna.key, "--tier", "premium").stdout.splitlines()) == 2
    assert len(json.loads(vixen("list", luna.key, "--limit", "2", "--json").stdout)) == 2


def test_a_filter_that_does_not_exist_is_named(luna):
    answer = vixen("list", luna.key, "--state", "open", "--tier", "gold")
    assert answer.exit_code == 2
    assert "--state open" in answer.stderr and "--tier gold" in answer.stderr


def test_review_rejects_and_tells_what_fell_with_it(core, luna):
    (carousel,) = [each for each in list_pieces(core, luna.key) if each.format == "carousel"]
    answer = vixen("review", luna.key, "--reject", carousel.members[0], "--reason", "blur",
                   "--replace", "--by", "mara", "--json")  # fmt: skip
    told = json.loads(answer.stdout)
    assert [(each["piece_id"], each["because"]) for each in told] == [
        (carousel.members[0], False),
        (carousel.id, True),
    ]
    missing = vixen("review", luna.key, "--reject", "4242", "--reason", "x")
    assert missing.exit_code == 2 and "4242" in missing.stderr


def test_review_without_options_lists_what_waits(core, luna):
    assert json.loads(vixen("review", luna.key, "--json").stdout) == []
    assert "No piece waits" in vixen("review", luna.key, "--approve-all").stderr


def test_review_that_names_no_piece_is_an_error_not_a_list(luna):
    answer = vixen("review", luna.key, "--replace", "--reason", "dull")
    assert answer.exit_code == 2 and "no piece is named" in answer.stderr


def test_an_empty_list_says_what_is_empty(luna):
    assert "No piece waits for a person." in vixen("review", luna.key).stderr
    assert "No piece is like that" in vixen("list", luna.key, "--state", "rejected").stderr


def test_a_decision_is_kept_under_a_number_where_the_login_has_no_name(core, luna, monkeypatch):
    import getpass

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    piece = list_pieces(core, luna.key)[-1]
    assert vixen("review", luna.key, "--approve", piece.id).exit_code == 0
    assert list_pieces(core, luna.key)[-1].reviewed_by.startswith("uid ")


@pytest.mark.parametrize("head", [b"\0\0\0\x1cftypheic", b"\0\0\0\x1cftypavif", b"hello", b""])
def test_what_cannot_be_looked_at_is_not_said_to_be_none_of_the_pieces(luna, tmp_path, head):
    file = tmp_path / "photo"
    file.write_bytes(head + b"\0" * 64 if head else b"")
    for command in ("find", "verify"):
        answer = vixen(command, file)
        assert answer.exit_code == 2 and "photo: the file is" in answer.stderr


def test_find_and_verify_read_files(core, luna, tmp_path):
    piece = next(each for each in list_pieces(core, luna.key) if each.format == "still")
    data = core.objects.get(piece.files[0].object_key)
    signed, copy, other = (tmp_path / name for name in ("signed.jpg", "copy.jpg", "other.jpg"))
    signed.write_bytes(data)
    Image.open(io.BytesIO(data)).resize((540, 675)).save(copy, quality=60)
    other.write_bytes(picture(4711))

    assert "unchanged since it was signed" in vixen("verify", signed).stdout
    assert "the development one" in vixen("verify", signed).stdout
    assert vixen("verify", copy).exit_code == 1
    document = json.loads(vixen("verify", signed, "--json").stdout)["credentials"]
    assert document["made_by_ai"] and document["piece"] == piece.key

    (found,) = json.loads(vixen("find", copy, "--json").stdout)
    assert (found["piece_id"], found["how"]) == (piece.id, "looks")
    assert f"piece {piece.id}" in vixen("find", signed).stdout
    assert vixen("find", other).exit_code == 1
    assert vixen("find", tmp_path / "none.jpg").exit_code == 2
