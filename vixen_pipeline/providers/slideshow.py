"""Slideshow videos by a local ffmpeg: the VideoModel port without a paid provider.

Belongs here: the ffmpeg process and its failures. Does not: the pictures (slideshow_motion.py),
which stills (content/format_choice.py), credentials. What comes out is what Instagram and TikTok
take as a reel or video: H.264 (yuv420p, 25 fps) and a silent AAC track, index in front. The same
request gives the same bytes, so the encoder has one thread (with two they differ); videos are made
side by side instead.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from vixen_pipeline.errors import Permanent, Transient, Unavailable
from vixen_pipeline.providers import slideshow_motion as motion
from vixen_pipeline.providers.inference_ports import Video, VideoModel, VideoRequest
from vixen_pipeline.settings import Settings

PROVIDER = "ffmpeg"
SHORTEST_S, LONGEST_S = 3.0, 15.0
"""Of a whole video. Instagram takes reels from 3 s; both platforms favour short ones."""
MOST_STILLS = 12
TIMEOUT_S = 300.0
_SAMPLE_RATE = 44_100


class FfmpegVideo:
    """The VideoModel port on a local ffmpeg. Thread-safe; one process per video."""

    def __init__(self, program: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._program = program
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        return "ffmpeg-slideshow"

    def make(self, request: VideoRequest) -> Video:
        """Make the video; about 10 ms of one core per frame of 1080x1920, plus the encoder.

        Raises Permanent for a request or still that cannot be used, Transient when the encoder was
        killed or hung, Unavailable when there is none.
        """
        _check(request)
        stills = [_still(data, at, request) for at, data in enumerate(request.frames)]
        each, _ = motion.frame_counts(len(stills), request.seconds)
        total = each * len(stills)
        with tempfile.TemporaryDirectory(prefix="vixen-video-") as folder:
            out, log = Path(folder) / "video.mp4", Path(folder) / "log.txt"
            with log.open("wb") as errors:
                pictures = motion.frames(stills, request.seconds, request.seed)
                code = self._encode(self._command(request, total, out), pictures, errors)
            if code != 0:
                raise _failed(code, log.read_bytes())
            data = out.read_bytes()
        duration_ms = round(total * 1000 / motion.FPS)
        return Video(data, duration_ms, request.width, request.height, self.name, ())

    def _command(self, request: VideoRequest, total: int, out: Path) -> list[str]:
        seconds = f"{total / motion.FPS:.6f}"
        size = f"{request.width}x{request.height}"
        silence = f"anullsrc=channel_layout=stereo:sample_rate={_SAMPLE_RATE}"
        colours = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
        return [
            *(program_path(self._program), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-color_range", "tv", *colours),
            *("-s", size, "-r", str(motion.FPS), "-i", "pipe:0"),
            *("-f", "lavfi", "-i", silence, "-map", "0:v", "-map", "1:a", "-t", seconds),
            *("-c:v", "libx264", "-preset", "superfast", "-crf", "21", "-profile:v", "high"),
            *("-level", "4.1", "-g", str(2 * motion.FPS), "-threads", "1", *colours),
            *("-color_range", "tv", "-c:a", "aac", "-b:a", "96k"),
            *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"),
            *("-movflags", "+faststart", str(out)),
        ]  # fmt: skip

    def _encode(self, command: list[str], pictures: Iterable[bytes], errors: IO[bytes]) -> int:
        """Feed the encoder; its exit code, negative when it was killed or hung."""
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
            )
        except OSError as error:
            raise _no_ffmpeg() from error
        watch = threading.Timer(self._timeout_s, process.kill)
        watch.start()
        try:
            assert process.stdin is not None
            try:
                with process.stdin as pipe:
                    for picture in pictures:
                        pipe.write(picture)
            except BrokenPipeError:
                pass  # it ended early: its exit code and log say why
            return process.wait()
        finally:
            watch.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()


def program_path(program: str | None) -> str:
    """The ffmpeg to run: the one that is set, else the packaged one. Raises Unavailable."""
    if program is not None:
        return program
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise _no_ffmpeg() from error


def _check(request: VideoRequest) -> None:
    count, total = len(request.frames), len(request.frames) * request.seconds
    if not 1 <= count <= MOST_STILLS:
        message = f"a slideshow has 1 to {MOST_STILLS} stills, not {count}."
        raise Permanent(PROVIDER, message, code="request")
    if not SHORTEST_S - 1e-6 <= total <= LONGEST_S + 1e-6:
        message = f"a slideshow lasts {SHORTEST_S:g} to {LONGEST_S:g} seconds, not {total:g}."
        raise Permanent(PROVIDER, message, code="request")
    if request.width % 4 or request.height % 4 or min(request.width, request.height) < 64:
        message = f"{request.width}x{request.height} cannot be encoded: sides in steps of 4."
        raise Permanent(PROVIDER, message, code="request")


def _still(data: bytes, at: int, request: VideoRequest) -> motion.Planes:
    try:
        return motion.planes_of(data, request.width, request.height)
    except (OSError, ValueError, SyntaxError) as error:
        message = f"still {at + 1} cannot be read as a picture ({error})."
        raise Permanent(PROVIDER, message, code="still") from error


def _failed(code: int, log: bytes) -> Permanent | Transient:
    if code < 0:
        return Transient(PROVIDER, "the encoder was killed, or took too long.", code="killed")
    lines = log.decode(errors="replace").strip().splitlines() or [f"exit code {code}"]
    message = f"the encoder failed: {lines[-1][:200]}"
    return Permanent(
        PROVIDER, message, code="encoder", next_step="`vixen doctor` checks ffmpeg and its codecs."
    )


def _no_ffmpeg() -> Unavailable:
    return Unavailable(
        "ffmpeg cannot be started.",
        next_step="Set VIXEN_FFMPEG to one with libx264, or unset it to use the packaged one.",
    )


def build_video_model(settings: Settings) -> VideoModel:
    """The video maker of this instance: local ffmpeg."""
    return FfmpegVideo(settings.ffmpeg)
