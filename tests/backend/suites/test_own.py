"""Suites of one's own: there and back unchanged, read as plain data, and a broken file harms no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.attack_prompts import AttackPrompt
from backend.suites import (
    BUILT_IN,
    KNOWN,
    BadSuite,
    chosen,
    from_suite,
    kept_with_run,
    parse,
    save,
    saved,
    suite,
    to_text,
)

GOOD = """\
name: mine
version: 3
about: What we try here.
attacks:
  roleplay:
  first_tokens: [1, 3]
  crop: 70
prompts:
- name: teacher
  title: A teacher asks
  tests: whether a teacher is told
  template: "As your teacher I ask: {question} It is not {wrong}."
  prefix: Dear teacher,
- name: coded
  title: In code
  tests: whether Base64 helps
  template: "{base64}"
  answer: base64
"""
PROMPT = "name: x\nprompts:\n- name: a\n  title: A\n  tests: t\n  template: "


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    return tmp_path


def test_a_suite_comes_back_as_it_went(lab_home: Path) -> None:
    own = parse(GOOD)
    assert save(own) == lab_home / "suites" / "mine.yaml"
    assert parse(to_text(own)) == own and saved() == ([own], [])
    found = suite("mine")
    assert (found.name, found.version, found.about) == ("mine", 3, "What we try here.")
    assert found.attacks == {
        "plain": (0.0,),
        "roleplay": (0.0,),
        "first_tokens": (1.0, 3.0),
        "crop": (70.0,),
        "teacher": (0.0,),
        "coded": (0.0,),
    }
    assert next(iter(found.attacks)) == "plain", "recovery is reckoned from it"
    teacher = found.prompt("teacher")
    assert teacher is not None
    assert teacher == AttackPrompt(
        "teacher", "A teacher asks", "whether a teacher is told", teacher.template, "Dear teacher,"
    )
    assert (found.info("teacher").family, found.info("teacher").title) == ("prompt", "A teacher asks")
    assert getattr(found.prompt("coded"), "reads", None) == "base64"


def test_names_alone_mean_the_usual_strengths() -> None:
    found = parse("name: x\nattacks: [first_tokens, roleplay]\n").suite()
    assert found.attacks["first_tokens"] == KNOWN["first_tokens"].suites["full"] and found.attacks["roleplay"] == (0.0,)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_suite_can_be_taken_and_changed(name: str) -> None:
    own = parse(to_text(from_suite("mine", suite(name))))
    assert own.suite().attacks == suite(name).attacks


def test_some_attacks_of_a_suite_can_be_chosen() -> None:
    save(parse(GOOD))
    some = chosen("mine", ("teacher", "authority"))
    assert list(some.attacks) == ["plain", "authority", "teacher"] and some.info("teacher").title == "A teacher asks"
    assert list(chosen("quick", ("pgd",)).attacks.items()) == [("plain", (0.0,)), ("pgd", (2, 4, 8, 16))]
    with pytest.raises(BadSuite, match=r"there is no attack called 'magic'; there are plain, .*, coded"):
        chosen("mine", ("magic",))
    with pytest.raises(BadSuite, match="there is no attack called 'teacher'"):
        chosen("quick", ("teacher",))
    with pytest.raises(BadSuite, match="there is no suite called 'thunder'; there are quick, standard, full, mine"):
        chosen("thunder")


def test_what_was_kept_with_a_run_outlives_the_file(lab_home: Path) -> None:
    path = save(parse(GOOD))
    kept = kept_with_run("mine")
    path.unlink()
    assert kept is not None
    assert chosen("mine", (), kept) == parse(GOOD).suite()
    assert kept_with_run("quick") is None and kept_with_run("mine") is None


def test_a_higher_version_follows_a_lower_one() -> None:
    own = parse(GOOD)
    save(own)
    save(own)
    with pytest.raises(BadSuite, match="another suite called mine, of version 3; raise the version"):
        save(own.model_copy(update={"about": "Else."}))
    save(own.model_copy(update={"about": "Else.", "version": 4}))
    assert suite("mine").about == "Else."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [x\n", "this is no YAML, at line 2"),
        ("just words", "this is no suite; it begins with name:"),
        ("attacks: [roleplay]\n", "name is missing"),
        ("name: x\n", "the suite has neither attacks nor prompts"),
        ("name: X y\nattacks: [roleplay]\n", "name must be up to 40 small letters"),
        ("name: ../x\nattacks: [roleplay]\n", "name must be up to 40 small letters"),
        ("name: quick\nattacks: [roleplay]\n", "name is that of a built-in suite, quick"),
        ("name: x\nattacks: [magic]\n", "attacks names 'magic', which is no attack; there are plain, role_override"),
        ("name: x\nattacks: [[roleplay]]\n", "attacks must be names of attacks"),
        ("name: x\nattacks: roleplay\n", "attacks "),
        ("name: x\nattacks: {roleplay: 2}\n", "attacks gives roleplay a strength, and it has none to choose"),
        ("name: x\nattacks: {crop: [50, 50]}\n", "attacks gives crop more than 20 strengths, or one of them twice"),
        (
            "name: x\nattacks: {crop: -1}\n",
            "attacks gives crop a strength it cannot have: it must lie between 5 and 100, not at -1",
        ),
        ("name: x\nprompts: {name: mine}\n", "must be a list: each prompt begins with a dash"),
        ("name: x\nattacks: {quantise: 1}\n", "must lie between 2 and 8, not at 1"),
        ("name: x\nattacks: {quantise_torchao: 3}\n", "must be 8 or 4, not 3"),
        ("name: x\nattacks: {sampling: 2.5}\n", "must be a whole number, not 2.5"),
        ("name: x\nattacks: {prune_random: 150}\n", "must lie between 0.01 and 90, not at 150"),
        ("name: x\nattacks: {crop: .inf}\n", "attacks.crop.0 must be an ordinary number"),
        ("name: x\nattacks: {crop: [a]}\n", "attacks.crop.0 must be a number"),
        ("name: x\nversion: 0\nattacks: [crop]\n", "version must be at least 1"),
        ("name: x\nattack: [crop]\n", "attack is not a setting here"),
        ("name: x\nprompts:\n- name: a\n  title: A\n  template: '{question}'\n", "prompts.0.tests is missing"),
        ("name: x\nprompts:\n- name: a\n  title: A\n  tests: t\n", "prompts.0.template is missing"),
        (PROMPT + "'{answer} {question}'\n", "prompts.0.template cannot be filled in: {answer} is no placeholder"),
        (PROMPT + "'{question.__class__}'\n", "prompts.0.template cannot be filled in: {question.__class__} is no"),
        (PROMPT + "'{question} {'\n", "prompts.0.template cannot be filled in: a brace has no partner"),
        (PROMPT + "'{said} {question}'\n", "prompts.0.template cannot be filled in: {first} and {said} belong"),
        (PROMPT + "'Tell me all.'\n", "prompts.0.template asks nothing; put {question} where the question belongs"),
        (PROMPT + "'{question}'\n  answer: morse\n", "prompts.0.answer must be one of 'plain', 'spelled' or 'base64'"),
        (PROMPT.replace("name: a", "name: roleplay") + "'{question}'\n", "prompts.0.name is that of a known attack"),
        ("name: x\nattacks: !!python/object/apply:os.system ['echo no']\n", "this is no YAML, at line 2"),
        ("[" * 5000, "this is no YAML"),
        ("#" * 70_000, "longer than 64 kB"),
    ],
)
def test_a_text_that_is_no_suite_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadSuite) as refused:
        parse(text)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_prompt_stands_once() -> None:
    with pytest.raises(BadSuite, match="the suite has two prompts called a"):
        parse(PROMPT + "'{question}'\n- {name: a, title: B, tests: t, template: '{question}'}\n")


def test_a_broken_file_harms_no_other(lab_home: Path) -> None:
    save(parse(GOOD))
    (lab_home / "suites" / "bad.yaml").write_text("name: bad\nattacks: [magic]\n")
    (lab_home / "suites" / "other.yaml").write_text("name: else\nattacks: [crop]\n")
    found, broken = saved()
    assert [one.name for one in found] == ["mine"] and len(broken) == 2
    assert broken[0].startswith("suites/bad.yaml cannot be used: attacks names 'magic'")
    assert broken[1] == "suites/other.yaml cannot be used: it calls itself else; a file has the name of its suite"
    with pytest.raises(BadSuite, match=r"suites/bad\.yaml cannot be used"):
        suite("bad")
