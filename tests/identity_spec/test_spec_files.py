"""Adding files: all of them or none, consents, digests."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from spec_samples import sample_document, sample_spec
from sqlalchemy import text

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity import registry
from vixen_pipeline.identity.digests import appearance_digest, digest, persona_digest, spec_digest
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.identity.spec_consents import list_consents, record_consent
from vixen_pipeline.identity.spec_files import add_files
from vixen_pipeline.services import Services


def write(folder: Path, name: str, **changes: object) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(sample_document(**changes)))
    return path


def landed(database: Database) -> int:
    with database.begin() as session:
        return session.scalar(text("SELECT count(*) FROM landing.avatar_specs")) or 0


def test_one_bad_file_of_several_keeps_all_of_them_out(
    services: Services, database: Database, tmp_path: Path
) -> None:
    registry.land_specs(services, [ParsedSpec(sample_spec(handle="old"), "old.yaml")])
    files = [
        write(tmp_path, "good.yaml"),
        write(tmp_path, "young.yaml", handle="young", age=19),
        write(tmp_path, "taken.yaml", handle="old", niche="travel"),
    ]
    with pytest.raises(InvalidInput) as caught:
        add_files(services, files)
    joined = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2
    assert "young.yaml:1: age: 19 is under age" in joined
    assert "'old' is taken by fitness:old" in joined
    assert landed(database) == 1


def test_several_files_are_landed_in_their_order_and_again_changes_nothing(
    services: Services, database: Database, tmp_path: Path
) -> None:
    files = [write(tmp_path, "z.yaml", handle="zoe"), write(tmp_path, "a.yaml", handle="ada")]
    first = add_files(services, files)
    assert [(r.key, r.outcome) for r in first] == [
        ("fitness:zoe", "added"),
        ("fitness:ada", "added"),
    ]
    assert [r.outcome for r in add_files(services, files)] == ["unchanged", "unchanged"]
    assert landed(database) == 2


def test_a_consent_is_recorded_once_and_opens_exactly_that_likeness(
    services: Services, database: Database, tmp_path: Path
) -> None:
    document = tmp_path / "signed.pdf"
    document.write_bytes(b"%PDF signed")
    looks = {**sample_document()["appearance"], "distinguishing": ["looks like Jane Doe"]}
    spec = write(tmp_path, "jane.yaml", likeness={"consent": "doc-7"}, appearance=looks)
    with pytest.raises(InvalidInput, match="2 problems"):
        add_files(services, [spec])

    def record(person: str, reference: str = "doc-7") -> bool:
        _, new = record_consent(
            services, reference=reference, person_name=person, document=document, recorded_by="ops"
        )
        return new

    assert record("Jane Doe")
    assert not record("Jane Doe")
    with pytest.raises(InvalidInput, match="a record never changes"):
        record("Mary Major")
    assert add_files(services, [spec])[0].outcome == "added"
    (consent,) = list_consents(services)
    assert (consent.person_name, len(consent.document_sha256)) == ("Jane Doe", 64)


def test_a_consent_without_a_document_is_refused(services: Services, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        record_consent(
            services, reference=" ", person_name="", document=tmp_path / "none", recorded_by="ops"
        )
    assert len(caught.value.problems) == 3


def test_landing_judges_again_what_did_not_come_through_a_file(
    services: Services, database: Database
) -> None:
    spec = sample_spec(location="a teen bedroom")
    with pytest.raises(InvalidInput) as caught:
        registry.land_specs(services, [ParsedSpec(spec, "api")])
    assert caught.value.problems == (
        "api: location: 'teen' is apparent-minor wording; allowed: an adult, described as one",
    )
    assert landed(database) == 0


def test_digests_depend_on_what_is_said_and_not_on_how() -> None:
    spec = sample_spec()
    assert spec_digest(spec) == spec_digest(sample_spec(languages=["en", "pt"]))
    assert persona_digest(spec) != persona_digest(sample_spec(age=28))
    assert persona_digest(spec) == persona_digest(sample_spec(time_zone="Asia/Tokyo"))
    assert appearance_digest(spec) == appearance_digest(sample_spec(location="Porto"))
    assert appearance_digest(spec) != appearance_digest(sample_spec(seed=5))
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})
    with pytest.raises(TypeError, match="float"):
        digest({"a": [1.5]})


def test_the_image_seed_is_stable_and_31_bits() -> None:
    assert sample_spec().image_seed == sample_spec(age=50).image_seed
    assert 0 <= sample_spec().image_seed < 2**31
    assert sample_spec(seed=7).image_seed == 7
