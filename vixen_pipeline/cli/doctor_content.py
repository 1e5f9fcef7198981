"""What `vixen doctor` looks at for content: the video encoder and the signing certificate.

Belongs here: those findings. Does not: printing, providers over the network (doctor_providers.py).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vixen_pipeline.cli.doctor_checks import Finding

if TYPE_CHECKING:
    from vixen_pipeline.settings import Settings

TIMEOUT_S = 10.0
SOON = timedelta(days=30)


def content_findings(settings: Settings) -> Iterator[Finding]:
    """Whether videos can be made, and in whose name pieces are signed."""
    yield _ffmpeg(settings)
    yield _certificate(settings)


def _ffmpeg(settings: Settings) -> Finding:
    import imageio_ffmpeg

    step = "Install ffmpeg and set VIXEN_FFMPEG to its path, or unset it for the packaged one."
    try:
        program = settings.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
        said = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return Finding("content", "failed", f"ffmpeg does not run ({error})", step)
    if "libx264" not in said:
        return Finding("content", "failed", f"{program} has no H.264 encoder (libx264)", step)
    return Finding("content", "ok", f"ffmpeg runs: {Path(program).name}")


def _certificate(settings: Settings) -> Finding:
    """The certificate of Content Credentials; nothing is made here."""
    step = "Set VIXEN_C2PA_CERTIFICATE and VIXEN_C2PA_PRIVATE_KEY (see .env.example)."
    if (settings.c2pa_certificate is None) != (settings.c2pa_private_key is None):
        return Finding("content", "failed", "only one of certificate and key for C2PA is set", step)
    if settings.c2pa_certificate is None:
        said = "Content Credentials are signed with a development certificate; nobody trusts it"
        return Finding("content", "warning", said, step)
    from cryptography import x509

    value = settings.c2pa_certificate.get_secret_value()
    try:
        pem = value.encode() if "-----BEGIN" in value else Path(value).read_bytes()
        ends = x509.load_pem_x509_certificates(pem)[0].not_valid_after_utc
    except (OSError, ValueError, IndexError) as error:
        return Finding("content", "failed", f"the C2PA certificate cannot be read ({error})", step)
    now = datetime.now(UTC)
    if ends <= now:
        said = f"the C2PA certificate ended on {ends:%Y-%m-%d}"
        return Finding("content", "failed", said, "Renew it; nothing can be signed with this one.")
    if ends - now < SOON:
        said = f"the C2PA certificate ends on {ends:%Y-%m-%d}"
        return Finding("content", "warning", said, "Renew it before then.")
    return Finding("content", "ok", f"the C2PA certificate is valid until {ends:%Y-%m-%d}")
