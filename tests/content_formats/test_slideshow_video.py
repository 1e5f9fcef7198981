"""Videos by ffmpeg: what is in the file, that it moves, and how it fails."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest
from content_kit_formats import picture

from vixen_pipeline.errors import Permanent, Transient, Unavailable
from vixen_pipeline.providers.inference_ports import Video, VideoRequest
from vixen_pipeline.providers.slideshow import FfmpegVideo


def ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    return subprocess.run([program, "-hide_banner", *arguments], capture_output=True, timeout=60)


def request(count: int = 3, seconds: float = 1.0, width: int = 108, height: int = 192):
    return VideoRequest([picture(n) for n in range(count)], seconds, width, height, seed=4)


@pytest.fixture(scope="module")
def video() -> Video:
    return FfmpegVideo().make(request())


def grey_frames(video: Video, folder: Path) -> list[bytes]:
    path = folder / "video.mp4"
    path.write_bytes(video.data)
    raw = ffmpeg("-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-").stdout
    size = video.width * video.height
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def test_the_file_is_what_both_platforms_take(video: Video, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(video.data)
    told = ffmpeg("-i", str(path)).stderr.decode()
    assert re.search(r"Video: h264 \(High\).*yuv420p\(tv, bt709.*108x192.* 25 fps", told)
    assert re.search(r"Audio: aac \(LC\).*44100 Hz, stereo", told)
    assert "Duration: 00:00:03.0" in told and video.duration_ms == 3000
    assert video.data.index(b"moov") < video.data.index(b"mdat"), "the index comes first"


def test_every_frame_is_there_and_consecutive_ones_differ_little(
    video: Video, tmp_path: Path
) -> None:
    frames = grey_frames(video, tmp_path)
    assert len(frames) == 75
    steps = [
        sum(abs(a - b) for a, b in zip(one[::97], two[::97], strict=True)) / len(one[::97])
        for one, two in itertools.pairwise(frames)
    ]
    assert max(steps) < 20, "neither a jump nor a hard cut"
    first, middle, last = frames[0], frames[37], frames[-1]
    assert first != middle != last
    assert sum(1 for step in steps if step > 0) > 50, "it moves"


def test_the_colours_of_a_still_survive(tmp_path: Path) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 120, 40)).save(out, "PNG")
    made = FfmpegVideo().make(VideoRequest([out.getvalue()], 3.0, 64, 64, seed=1))
    path = tmp_path / "video.mp4"
    path.write_bytes(made.data)
    raw = ffmpeg(
        "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-vf",
        "scale=in_color_matrix=bt709:in_range=tv", "-pix_fmt", "rgb24", "-",
    ).stdout  # fmt: skip
    pixel = raw[64 * 32 * 3 + 96 : 64 * 32 * 3 + 99]
    assert all(abs(a - b) <= 6 for a, b in zip(pixel, (200, 120, 40), strict=True)), list(pixel)


def test_the_same_request_gives_the_same_bytes_and_another_seed_others(video: Video) -> None:
    assert FfmpegVideo().make(request()).data == video.data
    other = VideoRequest(request().frames, 1.0, 108, 192, seed=5)
    assert FfmpegVideo().make(other).data != video.data


def test_what_cannot_be_made_is_said_by_name() -> None:
    maker = FfmpegVideo()
    with pytest.raises(Permanent, match="lasts 3 to 15 seconds, not 30"):
        maker.make(request(seconds=10.0))
    with pytest.raises(Permanent, match="1 to 12 stills, not 0"):
        maker.make(request(count=0))
    with pytest.raises(Permanent, match="107x192 cannot be encoded"):
        maker.make(request(width=107))
    torn = VideoRequest([picture(1), picture(2)[:200]], 2.0, 108, 192, seed=1)
    with pytest.raises(Permanent, match="still 2 cannot be read"):
        maker.make(torn)


def test_a_missing_a_broken_and_a_hanging_ffmpeg_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be started"):
        FfmpegVideo(str(tmp_path / "nowhere")).make(request())
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(Permanent, match="Unknown encoder libx264"):
        FfmpegVideo(str(broken)).make(request())
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.raises(Transient, match="took too long"):
        FfmpegVideo(str(hanging), timeout_s=0.5).make(request())
