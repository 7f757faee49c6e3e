"""Flags that say why a measure has no figure, as they stand in a score's row; pages read them too."""

NEEDS_GOLD = "needs a retain-only model"
NEEDS_HELD_OUT = "needs held-out people"
