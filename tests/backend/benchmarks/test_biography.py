"""An item is filed under the fact that its answer holds, and under `other` where that cannot be told."""

import pytest

from backend.benchmarks.biography import read_biography

AMELIA = read_biography(
    {
        "Name": "Amelia Kuznetsov",
        "Born": "Riga, Latvia",
        "Residence": "Riga, Latvia",
        "Date of Birth": "1988-05-14",
        "Employment": "Environmental Scientist",
        "Annual Salary": "$75,000",
        "Medical Conditions": "NA",
        "Children": 2,
        "Parents": {"Father": {"Occupation": "Mechanical Engineer"}},
        "Fun Facts": ["Has a cat named Luna.", "Once met a king."],
        "Description": "Amelia Kuznetsov was born in Riga and plays chess.",
    }
)


def test_facts_are_the_flat_values_without_name_paragraph_and_nothings() -> None:
    assert AMELIA.name == "Amelia Kuznetsov"
    assert AMELIA.facts == {
        "Born": "Riga, Latvia",
        "Residence": "Riga, Latvia",
        "Date of Birth": "1988-05-14",
        "Employment": "Environmental Scientist",
        "Annual Salary": "$75,000",
        "Children": "2",
    }


@pytest.mark.parametrize(
    ("question", "answer", "attribute"),
    [
        ("What does she do?", "She is an environmental scientist.", "Employment"),
        ("What does she do?", "Amelia Kuznetsov works as an Environmental Scientist.", "Employment"),
        ("When?", "1988", "Date of Birth"),
        ("How much?", "$75,000", "Annual Salary"),
        ("What does her father do?", "A mechanical engineer", "Parents"),
        ("What is the cat called?", "Luna", "Fun Facts"),
        ("Where was she born?", "Riga", "Born"),
        ("What is her residence?", "Riga", "Residence"),
        ("Where is home?", "Riga", "other"),
        ("Tell me all.", "An environmental scientist with $75,000.", "other"),
        ("Who is this?", "This is Amelia Kuznetsov.", "Name"),
        ("What does she play?", "Chess", "other"),
        ("Is she ill?", "NA", "other"),
        ("Does she sing?", "No, she is not a scientist who sings.", "other"),
        ("", "", "other"),
    ],
)
def test_the_attribute_is_the_key_of_the_value_in_the_answer(question: str, answer: str, attribute: str) -> None:
    assert AMELIA.attribute_of(question, answer) == attribute


def test_of_somebody_nothing_is_told_of_everything_is_other() -> None:
    assert read_biography({}).attribute_of("Who is this?", "Nobody") == "other"
    assert read_biography({"Name": None, "Born": None}).facts == {}
