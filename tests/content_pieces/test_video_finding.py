"""A video of ours is found again after a platform has encoded it anew."""

from __future__ import annotations

import subprocess

import pytest
from content_kit_pieces import give_plan, picture
from vixen_identity import add_avatars

from vixen_pipeline.content.listing import list_pieces
from vixen_pipeline.content.piece_finding import find_piece
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.errors import NotImage
from vixen_pipeline.pictures.renditions import make_renditions, upright_srgb
from vixen_pipeline.providers.inference_ports import VideoRequest
from vixen_pipeline.providers.slideshow import program_path
from vixen_pipeline.stages import no_progress


def encoded_anew(video: bytes, folder) -> bytes:
    (folder / "ours.mp4").write_bytes(video)
    shrunk = ("-vf", "scale=360:640", "-crf", "30", "-preset", "ultrafast", "-an")
    command = (program_path(None), "-v", "error", "-i", folder / "ours.mp4", *shrunk)
    subprocess.run([*command, folder / "theirs.mp4"], check=True)
    return (folder / "theirs.mp4").read_bytes()


@pytest.mark.long
def test_a_video_encoded_anew_is_found_and_a_strangers_is_not(core, tmp_path):
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 4, formats={"slideshow": 1})
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    (video,) = [each for each in list_pieces(core, luna.key) if each.format == "slideshow"]
    copy = encoded_anew(core.objects.get(video.files[0].object_key), tmp_path)
    (found,) = find_piece(core, copy)
    assert (found.piece_id, found.file, found.how) == (video.id, "video", "looks")

    stills = [make_renditions(upright_srgb(picture(seed)), ["9:16"])[0].data for seed in (7, 8)]
    theirs = core.video.make(VideoRequest(stills, 1.5, 1080, 1920, 1)).data
    assert find_piece(core, theirs) == []


def test_an_mp4_without_pictures_is_refused_not_called_a_strangers(core):
    with pytest.raises(NotImage, match="without a picture"):
        find_piece(core, b"\0\0\0\x18ftypmp42" + bytes(200))
