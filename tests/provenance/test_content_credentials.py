"""Content Credentials: signed, read back, damaged, and the certificates behind them."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from content_kit_pieces import picture
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from vixen_pipeline.errors import Permanent, SettingsMissing
from vixen_pipeline.safety.credentials import FOLDER, load_credentials
from vixen_pipeline.safety.provenance import (
    TRAINED_ALGORITHMIC_MEDIA,
    Ingredient,
    Origin,
    read_provenance,
    sign_file,
)
from vixen_pipeline.settings import load_settings

JPEG = "image/jpeg"
ORIGIN = Origin(
    title="Luna Rivers, virtual creator (4:5)",
    piece="still:7",
    software="SDXL",
    made_at=datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
    ingredients=[
        Ingredient("SDXL base", "sha256:" + "a" * 64, "model"),
        Ingredient("LoRA of the avatar", "b" * 64, "lora"),
    ],
    details={"avatar": "fitness:luna", "shape": "4:5"},
)


@pytest.fixture
def own(tmp_path):
    return load_credentials(load_settings(home=tmp_path))


def test_what_was_signed_says_ai_tool_model_and_lora(own):
    signed = sign_file(own, picture(1), JPEG, ORIGIN)
    found = read_provenance(signed.data, JPEG, own)
    assert found is not None and found.state == "trusted" and found.problems == []
    assert found.source_type == TRAINED_ALGORITHMIC_MEDIA and found.made_by_ai
    assert found.piece == "still:7" and found.details["avatar"] == "fitness:luna"
    assert any("a" * 64 in each for each in found.ingredients)
    assert any("b" * 64 in each for each in found.ingredients)
    assert signed.credentials["development"] is True and signed.credentials["state"] == "trusted"


def test_pixels_are_not_touched_by_signing(own):
    data = picture(2)
    signed = sign_file(own, data, JPEG, ORIGIN).data
    one, other = (Image.open(io.BytesIO(each)).tobytes() for each in (data, signed))
    assert one == other and len(signed) - len(data) < 20_000


def test_one_changed_byte_is_noticed(own):
    signed = bytearray(sign_file(own, picture(3), JPEG, ORIGIN).data)
    signed[-2000] ^= 1
    found = read_provenance(bytes(signed), JPEG, own)
    assert found is not None and found.state == "invalid"
    assert "dataHash.mismatch" in found.problems[0]


def test_a_file_without_credentials_has_none_and_a_strangers_are_valid_not_trusted(own, tmp_path):
    assert read_provenance(picture(4), JPEG, own) is None
    stranger = load_credentials(load_settings(home=tmp_path / "elsewhere"))
    signed = sign_file(stranger, picture(4), JPEG, ORIGIN)
    found = read_provenance(signed.data, JPEG, own)
    assert found is not None and found.state == "valid"


def test_what_cannot_carry_credentials_is_not_passed_on(own):
    for data, kind in ((b"no picture at all", JPEG), (picture(5), "text/plain"), (b"", JPEG)):
        with pytest.raises(Permanent):
            sign_file(own, data, kind, ORIGIN)


def test_png_and_mp4_are_signed_too(own, tmp_path):
    png = picture(6, (320, 320), format="PNG", quality=None)
    assert read_provenance(sign_file(own, png, "image/png", ORIGIN).data, "image/png", own)
    import imageio_ffmpeg

    path = tmp_path / "short.mp4"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i",
         "testsrc=size=128x128:duration=0.5", "-pix_fmt", "yuv420p", str(path)],
        check=True,
    )  # fmt: skip
    signed = sign_file(own, path.read_bytes(), "video/mp4", ORIGIN)
    found = read_provenance(signed.data, "video/mp4", own)
    assert found is not None and found.state == "trusted" and found.made_by_ai


# ---- certificates -------------------------------------------------------------------------------


def test_the_development_certificate_is_made_once_and_says_what_it_is(tmp_path):
    first, second = (load_credentials(load_settings(home=tmp_path)) for _ in range(2))
    assert first == second and first.development and "DEVELOPMENT" in first.name
    key = tmp_path / FOLDER / "private-key.pem"
    assert key.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in repr(first)


def test_processes_that_start_together_share_one_development_certificate(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from vixen_pipeline.settings import load_settings\n"
        "from vixen_pipeline.safety.credentials import load_credentials\n"
        "print(load_credentials(load_settings(home=Path(sys.argv[1]))).serial)"
    )
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=root
        )
        for _ in range(3)
    ]
    serials = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(serials) == 1 and b"" not in serials
    assert [each.name for each in tmp_path.iterdir()] == [FOLDER]


def issue(key, *, days=365, self_signed=False, name="Studio Vela"):
    """A chain for `key` (signer, issuer) as PEM."""
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    issuer = (
        subject
        if self_signed
        else x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test CA"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Test CA"),
            ]
        )
    )
    now = datetime.now(UTC)

    def certificate(of, public, ca):
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder(issuer, of, public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage),
                True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
            )
        )
        if not ca:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(usage, False)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    leaf = certificate(subject, key.public_key(), False)
    return (leaf + certificate(issuer, issuer_key.public_key(), True)).decode()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_an_operators_own_certificate_is_used_and_is_no_development_one(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "chain.pem"
    path.write_text(issue(key))
    settings = load_settings(
        home=tmp_path / "home", c2pa_certificate=str(path), c2pa_private_key=pem(key)
    )
    own = load_credentials(settings)
    assert not own.development and own.name == "Studio Vela"
    signed = sign_file(own, picture(7), JPEG, ORIGIN)
    assert signed.credentials["development"] is False
    found = read_provenance(signed.data, JPEG, own)
    assert found is not None and found.state == "trusted" and found.signed_by == "Studio Vela"
    assert not (tmp_path / "home").exists()


def wrong_settings():
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    long_key = ec.generate_private_key(ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    return {
        "PRIVATE_KEY is missing": {"c2pa_certificate": issue(key)},
        "CERTIFICATE is missing": {"c2pa_private_key": pem(key)},
        "not that of the key": {"c2pa_certificate": issue(key), "c2pa_private_key": pem(other)},
        "expired": {"c2pa_certificate": issue(key, days=-1), "c2pa_private_key": pem(key)},
        "signs itself": {
            "c2pa_certificate": issue(key, self_signed=True), "c2pa_private_key": pem(key),
        },
        "not an EC key on P-256": {
            "c2pa_certificate": issue(rsa_key), "c2pa_private_key": pem(rsa_key),
        },
        "P-256": {"c2pa_certificate": issue(long_key), "c2pa_private_key": pem(long_key)},
        "nor a readable file": {"c2pa_certificate": "/no/file", "c2pa_private_key": pem(key)},
        "cannot be read": {
            "c2pa_certificate": "-----BEGIN CERTIFICATE-----", "c2pa_private_key": pem(key),
        },
    }  # fmt: skip


def test_each_unusable_certificate_is_refused_by_name(tmp_path):
    for words, values in wrong_settings().items():
        with pytest.raises(SettingsMissing) as caught:
            load_credentials(load_settings(home=tmp_path, **values))
        assert any(words in problem for problem in caught.value.problems), words
        assert "VIXEN_C2PA_CERTIFICATE" in (caught.value.next_step or "")
