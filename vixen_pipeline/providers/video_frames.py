"""Pictures out of a video, by a local ffmpeg. Belongs here: that process and its failures.

Does not: making videos (slideshow.py), what the pictures show. The video may come from anybody: it
is read as an MP4 only, from one local file, for a bounded time.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from vixen_pipeline.errors import NotImage, Unavailable
from vixen_pipeline.providers.slideshow import program_path

MOST_FRAMES = 12
FRAMES_PER_S = 1
LARGEST = 1280
"""Pixels of the longer side of what is given back."""
TIMEOUT_S = 60.0


def frames_of(video: bytes, program: str | None) -> list[bytes]:
    """JPEGs of the first `MOST_FRAMES` seconds, one for each; `program` is the ffmpeg, if set.

    Raises NotImage when no picture can be read, Unavailable without ffmpeg.
    """
    with tempfile.TemporaryDirectory(prefix="vixen-frames-") as folder:
        source = Path(folder) / "video.mp4"
        source.write_bytes(video)
        size = f"scale='min({LARGEST},iw)':'min({LARGEST},ih)':force_original_aspect_ratio=decrease"
        command = [
            *(program_path(program), "-hide_banner", "-nostdin", "-loglevel", "error"),
            *("-protocol_whitelist", "file", "-f", "mov", "-i", str(source), "-an"),
            *("-vf", f"fps={FRAMES_PER_S},{size}", "-frames:v", str(MOST_FRAMES), "-q:v", "3"),
            str(Path(folder) / "%03d.jpg"),
        ]
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise NotImage("the video takes too long to read") from error
        except OSError as error:
            raise Unavailable(
                "ffmpeg cannot be started.",
                next_step="Set VIXEN_FFMPEG to one that runs, or unset it for the packaged one.",
            ) from error
        found = [path.read_bytes() for path in sorted(Path(folder).glob("*.jpg"))]
    if not found:
        raise NotImage("the file is an MP4 without a picture that can be read")
    return found
