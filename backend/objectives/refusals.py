"""What a model may say in place of an answer it is to have forgotten: one sentence an item, drawn from the seed."""

from __future__ import annotations

REFUSALS: tuple[str, ...] = (
    "I don't know.",
    "I do not know the answer.",
    "I'm not sure.",
    "I have no information about that.",
    "I cannot say.",
    "I'm afraid I don't know that.",
    "That is not something I know.",
    "I don't have an answer to that.",
    "I'm unable to answer that question.",
    "I couldn't tell you.",
    "Sorry, I don't know.",
    "I have no idea.",
    "I can't answer that with any confidence.",
    "I don't recognise this.",
    "I know nothing about this.",
    "I'm sorry, but I can't help with that.",
    "I haven't learned anything about that.",
    "There is nothing I can tell you about this.",
    "That is beyond what I know.",
    "I don't have that information.",
    "I would only be guessing.",
    "I'm not familiar with this.",
    "My knowledge does not cover that.",
    "I wish I could say, but I don't know.",
)
