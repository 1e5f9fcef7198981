"""The template files: what is shipped keeps its rules, and every mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vixen_pipeline.content import library as library_module
from vixen_pipeline.content.library import library_texts, load_library
from vixen_pipeline.content.plan_layout import SCENE_MOST
from vixen_pipeline.content.prompt_words import Pose, Setting, shot_prompt
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.spec_parse import parse_spec
from vixen_pipeline.safety.policy import Door, check_text
from vixen_pipeline.sandbox.text_moderation import flagged, score_text

FOLDER = Path(library_module.__file__).parent / "templates"
SHIPPED = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
EXAMPLES = Path(__file__).parents[2] / "examples" / "avatars"


def problems(**files: str) -> tuple[str, ...]:
    """What is said of the shipped files with these changed (name without .yaml)."""
    texts = SHIPPED | {f"{name}.yaml": text for name, text in files.items()}
    with pytest.raises(InvalidInput) as raised:
        library_texts(texts)
    return raised.value.problems


def test_the_shipped_library_has_sixty_templates_over_ten_niches() -> None:
    library = load_library()
    assert library.count() >= 60
    assert len(library.niches) >= 11  # ten and the general one
    assert all(len(each.templates) >= 5 for each in library.niches.values())
    assert min(len(library.common.angles), len(library.common.expressions)) >= SCENE_MOST


def test_every_example_avatar_has_templates_of_its_own_niche() -> None:
    library = load_library()
    niches = {yaml.safe_load(path.read_text())["niche"] for path in EXAMPLES.glob("*.yaml")}
    assert niches
    assert [niche for niche in niches if library.for_niche(niche).niche == "general"] == []


def test_every_shipped_phrase_passes_policy_and_moderation_in_a_whole_prompt() -> None:
    library = load_library()
    spec = parse_spec((EXAMPLES / "luna-rivers.yaml").read_bytes(), "luna").spec
    common, longest = library.common, 0
    for niche in library.niches.values():
        for template in niche.templates:
            for index, outfit in enumerate(template.outfits):
                lights = common.lighting[template.place]
                setting = Setting(
                    template,
                    outfit,
                    template.backgrounds[index % len(template.backgrounds)],
                    lights[index % len(lights)],
                    common.moments[template.place][index],
                    common.props[index],
                )
                pose = Pose(template.framings[0], common.angles[index], common.expressions[index])
                prompt = shot_prompt(spec, setting, pose)
                assert check_text(prompt, Door.PROMPT) == [], prompt
                assert not flagged(score_text(prompt)), prompt
                longest = max(longest, len(prompt.split()))
    assert longest <= 62  # about 75 tokens


def test_all_mistakes_of_all_files_are_named_at_once_with_their_lines() -> None:
    first = SHIPPED["fitness.yaml"].replace("place: outdoors", "place: underwater", 1)
    second = SHIPPED["food.yaml"].replace("framings: [half body, bust]", "framings: [knees]", 1)
    found = problems(fitness=first, food=second)
    line = first.splitlines().index("    place: underwater") + 1
    assert (
        f"fitness.yaml, line {line}: place is 'underwater'; allowed: indoors or outdoors" in found
    )
    assert any("food.yaml, line" in each and "'knees' is unknown" in each for each in found)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name: coast-run", "name: Coast Run", "'Coast Run' is no name"),
        ("name: stretching", "name: coast-run", "'coast-run' is the name of two"),
        ("scene: stretching on a mat", "scene: teen stretching", "apparent-minor"),
        ("- sage training set", "- see through top", "sexual"),
        ("- gym with wooden floor", "- 42", "42 is no phrase"),
        ("- garage gym", f"- {'very ' * 12}long garage", "is too long"),
        ("- garage gym", "- gym with wooden floor", "is in this list twice"),
        ("    scene: stretching on a mat\n", "", "scene is missing"),
        ("place: outdoors", "place: outdoors\n    tier: exclusive", "'tier' is unknown here"),
        ("place: outdoors", "place: outdoors\n    own_clothes: maybe", "own_clothes is 'maybe'"),
        ("also: [gym", "also: [cooking, gym", "is served by"),
        ("templates:", "templates: [", "is not valid YAML"),
        ("niche: fitness", "niche: fitness\nniche: food", "here twice"),
    ],
)
def test_a_mistake_is_said_in_words(before: str, after: str, said: str) -> None:
    assert before in SHIPPED["fitness.yaml"]
    found = problems(fitness=SHIPPED["fitness.yaml"].replace(before, after, 1))
    assert any(said in each for each in found), found


def test_too_few_angles_for_a_scene_are_refused() -> None:
    text = SHIPPED["_common.yaml"].replace("  - front view\n", "").replace("  - left profile\n", "")
    text = text.replace("  - right profile\n", "")
    assert any("angles has 9 entries; at least 10" in each for each in problems(_common=text))


def test_files_of_the_installation_replace_shipped_ones_and_add_others(tmp_path: Path) -> None:
    own = tmp_path / "templates"
    own.mkdir()
    (own / "fitness.yaml").write_text(SHIPPED["fitness.yaml"].replace("coast-run", "cliff-run"))
    added = SHIPPED["food.yaml"].replace("niche: food", "niche: chess")
    added = "\n".join(each for each in added.splitlines() if not each.startswith("also:"))
    (own / "chess.yaml").write_text(added)
    library = load_library(tmp_path)
    assert "cliff-run" in [each.name for each in library.for_niche("fitness").templates]
    assert library.for_niche("chess").niche == "chess"
    assert library.digest != load_library().digest


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    own = tmp_path / "templates"
    own.mkdir()
    (own / "odd.yaml").write_bytes(b"niche: \xff\xfe")
    (own / "large.yaml").write_text("#" * 70_000)
    with pytest.raises(InvalidInput) as raised:
        load_library(tmp_path)
    assert [each.split(":")[0] for each in raised.value.problems] == ["large.yaml", "odd.yaml"]
