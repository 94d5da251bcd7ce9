"""The words of trading-card titles, by what they tell about a card.

Only vocabulary, as sellers and the makers' checklists use it; how a title is read with it
is `core.card_titles`. Every phrase is in lower case and stands in one place only, its words
apart by one space; what it means canonically is given where that is another word.
"""

from collections.abc import Mapping

GRADERS: Mapping[str, str] = {
    **{name: name for name in ("psa", "bgs", "bvg", "bccg", "sgc", "cgc", "csg", "hga", "gma")},
    **{name: name for name in ("ksa", "isa", "mnt", "tag", "ace", "scd")},
    "beckett": "bgs",
}
"""Companies that grade cards. One counts only with a grade behind it: Ace is also a name."""

QUALIFIERS = ("oc", "mc", "mk", "pd")
"""What PSA adds to a grade for a fault, such as off-centre; the price is a lower grade's."""

CONDITION_WORDS = (
    *("gem", "mint", "mt", "mnm", "nm", "nmmt", "nrmt", "near", "nmt", "nearmint", "ex", "exmt"),
    *("vg", "vgex", "exmint", "excellent", "good", "poor", "fair", "pristine", "graded", "grade"),
    *("dna", "authentic", "altered", "black", "label", "pr", "vf"),
)
"""Words that may stand between a grader and its grade."""

NOT_YET_GRADED = (
    *("ready", "potential", "candidate", "worthy", "possible", "quality", "contender", "bound"),
    *("regrade", "crossover"),
)
"""Beside a grader or its grade, these make the grade a hope of the seller."""

MAKERS: Mapping[str, str] = {
    "bowman": "bowman",
    "bowmans": "bowman",
    "fleer": "fleer",
    "leaf": "leaf",
    "o pee chee": "o pee chee",
    "opc": "o pee chee",
    "panini": "panini",
    "rittenhouse": "rittenhouse",
    "score": "score",
    "topps": "topps",
    "tops": "topps",
    "ud": "upper deck",
    "upper deck": "upper deck",
}

PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "topps": {
        **{
            name: name
            for name in (
                *("chrome", "finest", "heritage", "stadium club", "archives", "gypsy queen"),
                *("big league", "museum collection", "tribute", "inception", "tier one", "fire"),
                *("holiday", "now", "bazooka", "etopps", "opening day", "five star", "dynasty"),
                *("gallery", "total", "triple threads", "cosmic", "pristine", "update"),
                *("traded", "tiffany", "sapphire", "logofractor", "black and white", "gold label"),
                *("rookie matrix", "bazooka comics", "project 2020", "bunt", "definitive"),
            )
        },
        "allen and ginter": "allen ginter",
        "allen ginter": "allen ginter",
        "xrc": "traded",
    },
    "bowman": {
        **{name: name for name in ("draft", "best", "sterling", "platinum", "mega box")},
        **dict.fromkeys(("prospect", "prospects"), ""),
    },
    "panini": {
        **{
            name: name
            for name in (
                *("prizm", "select", "mosaic", "donruss", "optic", "chronicles", "hoops"),
                *("contenders", "national treasures", "immaculate", "flawless", "spectra"),
                *("obsidian", "absolute", "certified", "prestige", "diamond kings", "court kings"),
                *(
                    "revolution",
                    "instant",
                    "playoff",
                    "luminance",
                    "illusions",
                    "zenith",
                    "origins",
                ),
                *("crown royale", "noir", "one and one", "elite", "draft picks", "monopoly"),
                *("global reach", "illumination", "spx", "encased", "threads", "gold standard"),
            )
        },
        "prism draft": "draft picks",
        "prizms": "prizm",
    },
    "upper deck": {
        **{
            name: name
            for name in (
                *("young guns", "canvas", "extended", "allure", "the cup", "sp authentic"),
                *("black diamond", "artifacts", "ice premieres", "parkhurst", "synergy", "champs"),
                *("checklist", "exclusives", "clear cut"),
            )
        },
        "champs rookie": "champs",
        "young gun": "young guns",
        "yg": "young guns",
    },
    "fleer": {name: name for name in ("ultra", "flair", "metal universe")},
}
"""Product lines by their maker, who is named in a card's set even where a title leaves it out."""

OTHER_PRODUCTS_THAN_PRIZM = (
    *("select", "mosaic", "donruss", "optic", "chronicles", "hoops", "contenders", "spectra"),
    *("playoff", "obsidian", "absolute", "revolution", "luminance", "certified"),
)
"""Lines whose parallels are called Prizms too; there the word names no set."""

INSERTS = (
    *("all etch", "emergent", "instant impact", "fireworks", "freshman phenoms", "fearless"),
    *("deep space", "student orientation", "prizm skills", "kaleidoscopic", "color blast"),
    *("splash", "thunder road", "thunder lane", "stained glass", "stare masters", "montage"),
    *("overdrive", "rising stars", "jam masters", "epic performers", "elevate", "swagger"),
    *("straight fire", "starting 5", "moments in time", "rookie eruption", "case hit", "bang"),
    *("downtown", "kaboom", "manga", "dominators", "widescreen", "get hyped", "far out"),
    *("rookie scripts", "rookie signatures", "rookie ticket", "call to arms", "genesis"),
    *("ball of duty", "go time", "serenity", "voices", "instinct", "generation rising"),
    *("sleek finishers", "rookie activators", "international affair", "future stars"),
    *("stratospheric stars", "diamond dominance", "significant statistics", "teammates"),
    *("the rookies", "rated rookie insert", "night terrors", "black gold", "sweet shades"),
    *("all star game", "all star", "35th anniversary", "silver pack", "home run challenge"),
    *("hobby masters", "greatest hits", "wrecking crew", "image variations", "cactus jack"),
    *("big apple", "bazooka stickers", "stickers", "minis", "mini", "class of", "concourse"),
    *("premier level", "courtside", "club level", "field level", "sp variation", "net marvels"),
    *("dream team", "rookie revolution", "luck of the lottery", "sensational swatches"),
)
"""Insert sets: another card than the one with the same year and player in the main set."""

TCG_SETS = (
    *("jungle", "fossil", "team rocket", "gym heroes", "gym challenge", "neo genesis"),
    *("neo discovery", "neo revelation", "neo destiny", "legendary collection", "expedition"),
    *("aquapolis", "skyridge", "evolutions", "hidden fates", "champions path", "vivid voltage"),
    *("darkness ablaze", "evolving skies", "brilliant stars", "lost origin", "silver tempest"),
    *("crown zenith", "obsidian flames", "paldea evolved", "paldean fates", "surging sparks"),
    *("prismatic evolutions", "twilight masquerade", "shrouded fable", "stellar crown"),
    *("temporal forces", "paradox rift", "fusion strike", "chilling reign", "battle styles"),
    *("shining fates", "celebrations", "rebel clash", "sword and shield", "sword shield"),
    *("scarlet and violet", "scarlet violet", "sun and moon", "cosmic eclipse", "unified minds"),
    *("unbroken bonds", "team up", "burning shadows", "astral radiance", "journey together"),
    *("destined rivals", "black star promo", "promo", "base set 2"),
)
SETS_AS_SOLD: Mapping[str, str] = {"base": "base set"}
"""What sellers call a set of a collectible card game that its maker calls otherwise."""

TCG_SIGNS = (
    "pokemon",
    "tcg",
    "yugioh",
    "yu gi oh",
    "lorcana",
    "mtg",
    "pokmon",
    "magic the gathering",
)
"""Words of collectible card games, whose `4/102` is a card number and no print run."""

PARALLELS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            *("red", "blue", "green", "gold", "orange", "purple", "pink", "aqua", "teal", "black"),
            *("white", "silver", "bronze", "yellow", "magenta", "sepia", "neon", "ruby"),
            *("emerald", "rose", "fuchsia", "copper", "cherry", "lime", "navy", "violet", "camo"),
            *("refractor", "xfractor", "raywave", "lava", "wave", "prism", "mojo", "shimmer"),
            *("speckle", "ice", "cracked", "disco", "hyper", "pulsar", "scope", "velocity"),
            *("superfractor", "atomic", "lunar", "glow", "sparkle", "foil", "rainbow", "negative"),
            *("checkerboard", "sonar", "lightboard", "geometric", "diamond", "choice", "nebula"),
            *("fast break", "tie dye", "zebra", "snakeskin", "elephant", "peacock"),
            *("dragon scale", "holo", "reverse holo", "shadowless", "first edition", "metallic"),
            *("glitter", "plaid", "die cut", "variation", "complete set", "buyback", "portrait"),
            *("color swap", "red frame", "gold cup", "opal", "onyx", "bordered", "acetate"),
            *("chinese", "japanese", "sticker", "printing plate", "reptilian", "fluorescent"),
        )
    },
    "refractors": "refractor",
    "refactor": "refractor",
    "refactors": "refractor",
    "x fractor": "xfractor",
    "x fractors": "xfractor",
    "xfractors": "xfractor",
    "x refractor": "xfractor",
    "ray wave": "raywave",
    "raywaves": "raywave",
    "super fractor": "superfractor",
    "speckled": "speckle",
    "image variation": "variation",
    "photo variation": "variation",
    "short print": "variation",
    "rwb": "red white blue",
    "holofoil": "holo",
    "reverse holofoil": "reverse holo",
    "1st edition": "first edition",
    "1st ed": "first edition",
    "diecut": "die cut",
    "complete sets": "complete set",
    "compete set": "complete set",
    "complete set retail": "complete set",
    "complete set variation": "complete set",
    "buy back": "buyback",
    "lights": "metallic",
}
"""Colours and finishes, and the words that make a card of one number another card."""

ROOKIE_WORDS = ("rc", "rcs", "rookie", "rookies", "rookie card", "rated rookie")
AUTOGRAPH_WORDS = (
    *("auto", "autos", "autograph", "autographs", "autographed", "signed", "signature"),
    *("signatures", "psa dna auto", "on card auto"),
)

SPORT_SIGNS = (
    *("baseball", "basketball", "football", "hockey", "soccer", "mlb", "nba", "nfl", "nhl"),
    *("wnba", "hof", "rc"),
)

TEAMS = (
    # Alone only where no person is called so; the rest in full, for Dallas, Jackson and
    # Magic are names as well.
    *("angels", "astros", "athletics", "blue jays", "braves", "brewers", "cardinals", "cubs"),
    *("diamondbacks", "dodgers", "guardians", "mariners", "marlins", "mets", "nationals"),
    *("orioles", "padres", "phillies", "pirates", "rays", "red sox", "reds", "rockies"),
    *("royals", "twins", "white sox", "yankees", "bucks", "bulls", "cavaliers", "cavs"),
    *("celtics", "clippers", "grizzlies", "hornets", "knicks", "lakers", "mavericks", "mavs"),
    *("nets", "nuggets", "pacers", "pelicans", "pistons", "raptors", "rockets", "sixers"),
    *("76ers", "spurs", "timberwolves", "trail blazers", "warriors", "wizards", "bears"),
    *("bengals", "broncos", "buccaneers", "chargers", "chiefs", "colts", "commanders"),
    *("cowboys", "dolphins", "eagles", "falcons", "jaguars", "packers", "panthers", "patriots"),
    *("raiders", "ravens", "saints", "seahawks", "steelers", "texans", "titans", "vikings"),
    *("avalanche", "blackhawks", "bruins", "canadiens", "canucks", "flyers", "maple leafs"),
    *("oilers", "penguins", "sabres", "sharks", "indiana fever", "fever", "las vegas aces"),
    *("tampa bay", "tampa bay rays", "orlando magic", "utah jazz", "miami heat", "phoenix suns"),
    *("los angeles", "la dodgers", "la", "l a", "san diego", "s d", "new york", "ny", "wemby"),
    *("san antonio", "kansas city", "kc", "golden state", "green bay", "st louis", "anaheim"),
    *("colorado rockies", "colorado", "milwaukee bucks", "milwaukee", "dallas mavericks"),
    *("los angeles angels", "oklahoma city", "new orleans", "minnesota", "philadelphia"),
)

NAMES = (
    *("a j green", "aj green", "ace bailey", "bill russell", "bobby bonds", "coby white"),
    *("draymond green", "jalen green", "jazz chisholm", "jaylen brown", "magic johnson"),
    *("red grange", "reggie white", "vida blue", "bill white", "devin white", "shawn green"),
    *("dick green", "ray allen", "silver king", "black lotus", "bo jackson"),
    *("jimmy black", "jack white", "white kyurem", "black kyurem", "red schoendienst"),
    *("whitey ford", "gold ship", "pink floyd", "mookie blaylock", "deuce mcbride"),
)
"""People and characters with a word in their name that says something else in a title."""

NOISE = (
    *("a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "its", "not", "of"),
    *("on", "only", "or", "the", "this", "to", "with", "w", "x", "n", "s", "d", "o", "by the"),
    *("card", "cards", "crd", "base", "base card", "base cards", "base rc", "set break", "common"),
    *("setbreak", "insert", "inserts", "parallel", "parallels", "parrallel", "edition", "ed"),
    *("series", "series 1", "series 2", "series one", "series two", "version", "factory", "true"),
    *("retail", "hobby", "exclusive", "limited", "ltd", "le", "l e", "numbered", "serial"),
    *("sp", "ssp", "rare", "hot", "fire sale", "invest", "goat", "g o a t", "league mvp", "nl mvp"),
    *(
        "mvp",
        "al mvp",
        "wsmvp",
        "ws",
        "ws mvp",
        "champ",
        "champs mvp",
        "champion",
        "champions",
        "hofer",
    ),
    *("legend", "hall fame", "hall of fame", "wow", "look", "looks", "low pop", "pop", "fresh"),
    *("new", "new slab", "slab", "slabbed", "sharp", "clean", "read", "info", "read info", "see"),
    *("pics", "pic", "description", "desc", "photo", "photos", "vintage", "uer", "error", "nice"),
    *("great", "beautiful", "beauty", "perfect", "absolutely perfect", "centered", "centering"),
    *("well centered", "eye appeal", "raw", "ungraded", "gradable", "investment", "just graded"),
    *("freshly graded", "freshly", "just", "high grade", "high", "low", "very", "better"),
    *("or better", "super", "sweet", "free ship", "free shipping", "fast shipping", "shipping"),
    *("free", "ship", "ships", "combine", "we combine", "in stock", "stock", "presale", "sale"),
    *("pre sale", "auction", "original", "authentic", "usa", "collection", "collector", "clear"),
    *("corner wear", "corner", "wear", "condition", "sleeve", "soft", "hard", "pitching"),
    *("hitting", "jersey number", "1st", "first", "1st year", "1st yr", "first year", "yr"),
    *("hit club", "3000 hit club", "all time", "card number", "no", "qty", "gem", "mint", "mt"),
    *("nm", "nmmt", "nrmt", "near", "nearmint", "nr", "ex", "exmt", "exmint", "vg", "vgex", "nmt"),
    *("mnm", "excellent", "good", "poor", "fair", "graded", "dna", "wemby rc", "early"),
    *(
        "ii",
        "iii",
        "iv",
        "insert card",
        "image",
        "short",
        "sn",
        "defective",
        "case",
        "label",
        "on card",
        "holder",
    ),
    *("year", "season", "sports", "sport", "tcgplayer", "english", "single", "singles"),
    *(
        "lot",
        "lots",
        "bundle",
        "pack",
        "trading card",
        "trading",
        "game",
        "wizards of the coast",
        "wotc",
        "nintendo",
    ),
)
"""Words that do not tell one card from another: praise, condition, shipping, filling."""
