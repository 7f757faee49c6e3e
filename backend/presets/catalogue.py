"""Every published method, by name, in the order in which the pages list them."""

from __future__ import annotations

from backend.presets import ascent, preference, scrambling
from backend.presets.method import Preset

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        ascent.GA,
        ascent.GRADDIFF,
        ascent.KL,
        preference.NPO,
        ascent.RETAIN_FT,
        preference.IDK,
        preference.DPO,
        ascent.SCRUB,
        ascent.LLMU,
        scrambling.RMU,
        preference.SIMNPO,
        preference.ALTPO,
        scrambling.UNDIAL,
        scrambling.CEU,
        scrambling.WGA,
        scrambling.SATIMP,
        scrambling.PDU,
        ascent.ENTROPY,
    )
}
