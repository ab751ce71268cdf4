"""What can be switched on beside a profile: each a field of it, by names that the command line knows."""

from dataclasses import replace

import pytest

from submission.__main__ import main
from submission.profiles import PROFILES, SWITCHED, Profile, with_switches
from submission.switches import SWITCHES, switch_names


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_changes_fields_that_are_off(name: str, profile: Profile) -> None:
    switched, values = with_switches(profile, [name]), SWITCHED[name]
    assert values
    assert not any(getattr(profile, field) for field in values)
    assert switched == replace(profile, name=f"{profile.name}+{name}", **values)


def test_all_switches_have_their_values() -> None:
    assert SWITCHED.keys() == SWITCHES.keys()


def test_without_switches_a_profile_stays_and_their_order_does_not_count() -> None:
    profile = PROFILES["tuned"]
    assert with_switches(profile, []) == profile
    names = list(SWITCHES)
    assert with_switches(profile, names) == with_switches(profile, [*reversed(names), names[0]])


@pytest.mark.parametrize(("text", "names"), [("spans", ("spans",)), (" spans, spans ,", ("spans",))])
def test_names_are_read_with_commas_between_them(text: str, names: tuple[str, ...]) -> None:
    assert switch_names(text) == names


@pytest.mark.parametrize("text", ["", ",", "spam", "spans,spam", "spans;spam", "x" * 1000])
def test_an_unknown_switch_is_refused_with_those_that_there_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["run", "--with", text])
    said = capsys.readouterr().err
    assert refused.value.code == 2
    assert f"there are {', '.join(SWITCHES)}" in said
    assert len(said) < 400


@pytest.mark.parametrize(("ruclip", "score"), [(False, "consensus"), (True, "ruclip")])
def test_captions_are_compared_by_the_network_that_is_given(ruclip: bool, score: str) -> None:
    captions = with_switches(PROFILES["tuned"], ["captions"], ruclip=ruclip).captions
    assert captions is not None
    assert captions.score == score
    assert with_switches(PROFILES["tuned"], ["spans"], ruclip=ruclip).captions is None


def test_captions_without_chance_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--with", "captions", "--greedy"]) == 2
    assert "all captions of a picture are the same with --greedy" in capsys.readouterr().err
