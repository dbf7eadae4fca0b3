"""Makes the Inter files of this folder from those of the Inter project (version 3.19, OTF): `lean.py FROM TO`.

Two changes, both for speed (docs/adr/0014-invoice-template.md): figures are tabular without asking for it, and of 107 rules of
substitution only those are left that put marks on letters. Outlines and kerning are as they were; private characters
(icons) are gone. The OFL of Inter, which reserves no font name, allows it. Needs fonttools 4.68.
"""

import sys

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont


def tabular(font):
    """What the feature `tnum` puts in the place of each glyph."""
    table = font["GSUB"].table
    records = [record for record in table.FeatureList.FeatureRecord if record.FeatureTag == "tnum"]
    glyphs = {}
    for index in records[0].Feature.LookupListIndex:
        for subtable in table.LookupList.Lookup[index].SubTable:
            glyphs.update(getattr(subtable, "ExtSubTable", subtable).mapping)
    return glyphs


def is_private(character):
    return 0xE000 <= character <= 0xF8FF or character >= 0xF0000


def main(source, target):
    font = TTFont(source, recalcTimestamp=False)
    glyphs = tabular(font)
    for table in font["cmap"].tables:
        for character, glyph in table.cmap.items():
            table.cmap[character] = glyphs.get(glyph, glyph)
    options = Options()
    options.layout_features = ["ccmp", "kern", "mark"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14, 16, 17]
    options.hinting = False
    options.notdef_outline = True
    subsetter = Subsetter(options)
    characters = {character for table in font["cmap"].tables for character in table.cmap}
    subsetter.populate(unicodes=[character for character in characters if not is_private(character)])
    subsetter.subset(font)
    font.save(target)


main(*sys.argv[1:])
