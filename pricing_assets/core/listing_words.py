"""The words of listing titles, by what they tell about what is sold.

Only vocabulary, in plain lower-case letters; how a listing is judged with it is
`core.matching`. The words of trading cards alone are in `core.card_words`.
"""

from collections.abc import Mapping

EXCLUDING: Mapping[str, tuple[str, ...]] = {
    "": (
        *("empty box", "box only", "empty case", "case only", "digital", "download", "pdf"),
        *("reprint", "reprints", "reproduction", "repro", "rp", "replica", "facsimile", "copy of"),
        *("custom", "customs", "handmade", "fan made", "fanmade", "proxy", "fake", "counterfeit"),
        *("bootleg", "poster", "t shirt", "tshirt", "mug", "keychain", "key chain", "magnet"),
        *("plush", "funko", "bobblehead", "figurine", "phone case", "mystery", "repack"),
        *("you pick", "u pick", "upick", "pick your", "you choose", "choose your", "your choice"),
        *("complete your set", "complete your", "pick a", "pick any", "wanted to buy", "wtb"),
    ),
    "book": (
        *("study guide", "workbook", "summary of", "sparknotes", "cliffsnotes", "cliffs notes"),
        *("spark notes", "companion to", "audiobook", "audio book", "audio cd", "audio cassette"),
        *("mp3 cd", "unabridged cd", "cd", "cds", "dvd", "blu ray", "kindle", "ebook", "e book"),
        *("large print", "large type", "coloring book", "box set", "boxed set", "dust jacket only"),
        *("dustjacket only", "no book", "bookmark", "movie", "film", "comic", "graphic novel"),
        *("screenplay", "teachers edition", "instructors edition", "access code", "notebook"),
    ),
    "card": (
        *("unopened", "wax pack", "wax box", "cello pack", "rack pack", "vending box", "blaster"),
        *("booster box", "booster pack", "hobby box", "team set", "jersey size", "card set"),
        *("complete set 1", "box break", "case break", "ticket stub", "project 2020", "1 pack"),
        *("display", "sleeve only", "coin", "pin", "decal", "art print", "mens size", "test pack"),
        *("set of cards", "size xl", "size medium", "mens", "youth", "women", "digital card"),
    ),
    "minifigure": (
        *("compatible", "moc", "lepin", "not lego", "non lego", "clone", "inspired"),
        *("instructions only", "instruction only", "manual only", "instruction manual only"),
        *("no minifigures", "no minifigs", "no minifig", "no figures", "without minifigures"),
        *("without minifigs", "sticker sheet", "stickers only", "decal", "display case"),
        *("display stand", "stand only", "display frame", "led light", "light kit", "lights kit"),
        *("head only", "torso only", "legs only", "helmet only", "cape only", "hair only"),
        *("parts only", "part only", "accessory only", "accessories only", "weapon only"),
        *("baseplate only", "bricks only", "polybag only", "backdrop", "costume", "watch"),
    ),
}
"""Phrases that make a listing something else, for every category and for one."""

ONLY_FIGURES = tuple(
    f"{figures} only" for figures in ("minifig", "minifigs", "minifigure", "minifigures", "figures")
)
"""These exclude a listing where the whole set is wanted."""

NEGATIONS = frozenset(("not", "no", "non", "isnt", "never"))
"""Before an excluding phrase, they turn it: not a reprint."""

BINDINGS: Mapping[str, str] = {
    **dict.fromkeys(("mass market", "mass market paperback", "mmpb"), "mass market"),
    **dict.fromkeys(("hardcover", "hardback", "hard cover", "hardbound", "hc", "hb"), "hardcover"),
    **dict.fromkeys(("trade paperback", "trade paper", "tpb"), "trade paperback"),
    **dict.fromkeys(("paperback", "softcover", "soft cover", "pb", "softback"), "paperback"),
}
BINDINGS_OF: Mapping[str, tuple[str, ...]] = {
    "hardcover": ("hardcover",),
    "mass market": ("mass market", "paperback"),
    "paperback": ("paperback", "trade paperback"),
}
"""What sellers call a book of a binding: few say that a paperback is a mass-market one."""

CONDITIONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("sealed", "misb", "bnib", "nisb", "factory sealed", "shrinkwrapped"), "sealed"
    ),
    **dict.fromkeys(("brand new", "new", "like new", "unused"), "new"),
    **dict.fromkeys(("used", "pre owned", "preowned", "very good", "acceptable", "good"), "used"),
    **dict.fromkeys(("ex library", "ex lib", "library copy", "exlibrary"), "ex library"),
    **dict.fromkeys(
        ("damaged", "defective", "water damage", "for parts", "torn", "creased", "cracked"),
        "damaged",
    ),
}
CONDITION_ORDER = ("damaged", "ex library", "sealed", "new", "used")
"""Where several are named, the first of these counts: it decides the price."""

INCOMPLETE = (
    *("no accessories", "without accessories", "missing accessories", "no dust jacket", "no dj"),
    *("missing dust jacket", "without dust jacket", "incomplete", "missing parts", "no cape"),
    *("no weapon", "no helmet", "missing cape", "missing helmet", "no hair", "no box"),
)
SIGNED = ("signed", "autographed", "autograph", "inscribed", "signed by")
FIRST_EDITION = (
    "first edition",
    "1st edition",
    "1st ed",
    "first printing",
    "1st printing",
    "1st 1st",
)

SAYS_NOTHING = (
    *("not signed", "unsigned", "not first edition", "not a first edition", "new york"),
    *("new orleans", "new jersey", "new england", "new zealand"),
)
"""Phrases that hold a word of the above and say nothing of the kind."""

STOP_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with")
)
