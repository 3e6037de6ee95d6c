"""Passages of documentation and their queries: packages of Debian and how their files are cut.

Most free prose that is written for looking things up is documentation. The text has a little of
each of many packages: a student that reads much of a few learns only those.
"""

import gzip
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from weights.training.sections import READERS, SENTENCE_END, Section
from weights.training.source import Source

MOST, MOST_DESCRIPTIONS = 600, 20_000  # passages of a package, descriptions of packages
SHORTEST, MIDDLE, LONGEST = 160, 800, 1600  # characters of a passage; about 40, 200, 400 tokens
LARGEST_FILE = 5_000_000  # bytes; a larger file is a book on one page, which many pages repeat
FILES = ("*.html", "*.htm", "*.xhtml", "*.html.gz", "*.page", "*.docbook", "*.pod")
LANGUAGES = (  # C and en are left
    "ar|bg|ca|cs|da|de|el|eo|es|et|eu|fa|fi|fr|gl|gu|he|hi|hr|hu|id|it|ja|ko|lt|lv|ml|mr|nb|nl|nn|oc|pa|pl|pt|ro|ru|sk|sl|sr|sv|ta|te|tr|uk|vi|zh"
)
UNWANTED = re.compile(
    rf"[/.-](?:{LANGUAGES})(?:[-_@]\w+)?(?:/|\.|$)|_modules|_sources|/search/|class-use|genindex|release|change|relnotes|whats-?_?new|/news"
    r"|licen[cs]e|copying|credits|authors|[/-][gf][pd]l",
    re.IGNORECASE,
)
WORD = re.compile(
    r"\b(?:the|an?|of|to|and|in|is|it|are|was|for|on|with|that|this|you|by|not|be|or|as|can|if|will|from|which)\b", re.IGNORECASE
)
PRIVATE = re.compile("[\ue000-\uf8ff]")  # signs of a theme's own font, beside headings
NOTICE = re.compile(r"copyright|all rights reserved|©|licen[sc]ed under|lorem ipsum|SPDX|powered by|javascript", re.IGNORECASE)

# licence -> packages of Debian's release 12
MANUALS = {
    "AFL-2.1": "dbus-1-doc",
    "AGPL-3.0-or-later": "ghostscript-doc lava-server-doc povray-doc",
    "Apache-2.0": "ant-doc barbican-doc ceilometer-doc cinder-doc crystal-doc derby-doc designate-doc diskimage-builder-doc"
    " erlang-doc glance-doc groovy-doc heat-doc ironic-doc keystone-doc neutron-doc nova-doc openvswitch-doc"
    " python-nipype-doc python-xarray-doc scala-doc swift-doc tomcat10-docs",
    "Apache-2.0 WITH LLVM-exception": "clang-16-doc llvm-16-doc",
    "Artistic-1.0": "perl-doc",
    "as the program": "imagemagick-6-doc ntpsec-doc postfix-doc python-pil-doc zsh-doc",
    "BSD": "cmake-doc corosync-doc dpdk-doc flex-doc fontforge-doc ganeti-doc ghc-doc mame-doc numba-doc openafs-doc"
    " opendnssec-doc python-astropy-doc python-biopython-doc python-dask-doc python-dipy-doc python-django-doc"
    " python-djangorestframework-doc python-lxml-doc python-pandas-doc python-scipy-doc python-scrapy-doc"
    " python-skimage-doc python-sklearn-doc python-statsmodels-doc python-sympy-doc sphinx-doc swi-prolog-doc"
    " varnish-doc",
    "BSL-1.0": "libboost1.81-doc",
    "CC-BY-SA": "bacula-doc cppreference-doc-en-html denemo-doc drbd-doc freedombox-doc-en gnome-devel-docs gthumb-data"
    " postgis-doc python-celery-doc",
    "CC0-1.0": "sbws-doc",
    "CeCILL-2.0": "python-brian-doc",
    "EPL-1.0": "graphviz-doc",
    "GFDL, no invariants": "autoconf-doc bash-doc csound-doc dia-common dolphin engrampa-common evince-common freetds-doc gnote"
    " gnu-standards gnucash-docs gprbuild-doc kalarm kate5-data kgoldrunner khelpcenter kmail kmplot konsole"
    " korganizer kstars-data kturtle mailutils-doc marble-data png-definitive-guide qt5-doc-html qtbase5-doc-html"
    " qtcreator-doc qtdeclarative5-doc-html shorewall-doc",
    "GPL": "abs-guide ada-reference-manual-2012 anjuta-common anyremote-doc asymptote-doc atril-common avrdude-doc bird2-doc"
    " brz-doc buildbot-doc c++-annotations-html cacti claws-mail-doc clisp-doc debian-edu-doc-en debian-history"
    " debian-kernel-handbook doxygen-doc eog evolution-common exim4-doc-html fai-doc fp-docs-3.2.2 frr-doc gap-doc"
    " gedit-common gem-doc gmsh-doc gnome-terminal-data gpsbabel-doc grass-dev-doc grass-doc guitarix-doc haproxy-doc"
    " harden-doc hugin-data installation-guide-amd64 janus-doc kaddressbook kdevelop-data kicad-doc-en kile-doc"
    " kitty-doc knot-resolver-doc konqueror lemonldap-ng-doc libstdc++-12-doc lilypond-doc-html live-manual-html"
    " maxima-doc mh-book mit-scheme-doc nut-doc octave-doc okular openjdk-17-doc proftpd-doc r-doc-html rhythmbox-data"
    " rsyslog-doc singular-doc skrooge-common slurm-wlm-doc solfege-doc swig4.0-doc systemtap-doc tellico-doc"
    " texstudio-doc totem-common unburden-home-dir-doc weechat-doc weka-doc wireshark-doc xapian-doc yade-doc"
    " yoshimi-doc zoneminder-doc",
    "LGPL": "ffmpeg-doc fwupd-doc glances-doc gnustep-base-doc gnutls-doc groonga-doc krita-data libglib2.0-doc libgtk-3-doc"
    " libgtk-4-doc libvirt-doc openscap-doc python-ase-doc stilts-doc topcat-doc",
    "MIT": "debmake-doc emscripten-doc geographiclib-doc krb5-doc lifelines-doc nim-doc nodejs-doc pipewire-doc"
    " python-sqlalchemy-doc racket-doc renpy-doc scons-doc snakemake-doc twisted-doc wand-doc wireplumber-doc",
    "MPL-2.0": "bind9-doc kea-doc libreoffice-help-en-us",
    "public domain": "docutils-doc sbcl-doc",
    "Sleepycat": "db5.3-doc",
    "Zlib": "allegro5-doc",
}


def sections(folder: Path) -> Iterator[Section]:
    """All sections of a package's files, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.stat().st_size <= LARGEST_FILE:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            reader = next(READERS[suffix] for suffix in reversed(path.suffixes) if suffix in READERS)
            yield from reader(path.name, data.decode("utf-8", errors="replace"))


def is_prose(block: str) -> bool:
    """Whether a block is mostly English words.

    Names of functions and options may be among them, as in the texts that people search.
    """
    words = block.split()
    letters = sum(character.isascii() and character.isalpha() for character in block)
    return len(words) >= 5 and letters > 0.65 * len(block) and len(WORD.findall(block)) > 0.15 * len(words) and not NOTICE.search(block)


def is_title(title: str) -> bool:
    """Whether a heading has two words or more, and no code."""
    return len(title.split()) > 1 and bool(re.fullmatch(r"[A-Za-z][\w ,.:'’?&()/\-]+", title))


def joined(blocks: list[str], limit: int) -> list[str]:
    """Join blocks up to a limit of characters. A block that is too long is cut into sentences."""
    parts = [part for block in blocks for part in ([block] if len(block) <= limit // 3 else SENTENCE_END.split(block))]
    found = [""]
    for part in parts:
        if found[-1] and len(found[-1]) + len(part) >= limit:
            found.append("")
        found[-1] = f"{found[-1]} {part}".strip()
    return [text for text in found if SHORTEST <= len(text) <= LONGEST]


def passages(folder: Path, chance: random.Random) -> list[tuple[str, str]]:
    """(query or nothing, passage) for all passages of a package. No block of text occurs twice.

    A summary or heading is the query of the first passage of its section, if no other section has
    the same one.
    """
    found, seen = [], set()
    for section in sections(folder):
        blocks = [block for block in dict.fromkeys(section.blocks) if is_prose(block) and block not in seen]
        seen.update(blocks)
        query = PRIVATE.sub("", section.summary or section.title).strip()
        for index, text in enumerate(joined(blocks, chance.choice((MIDDLE, LONGEST, LONGEST)))):
            found.append((query if index == 0 and is_title(query) else "", text))
    times = Counter(query for query, _ in found)
    return [(query if times[query] == 1 else "", text) for query, text in found]


def descriptions(cache: Path, _: random.Random) -> list[tuple[str, str]]:
    """(summary, description) of Debian's packages, from the lists of its archive.

    Only the first package of a program is taken, since the others repeat its description.
    """
    folder = cache / "apt-lists"
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["apt-get", "update", "-o", f"Dir::State::lists={folder}", "-o", "Acquire::Languages=en"], check=True, capture_output=True
    )
    command = ["/usr/lib/apt/apt-helper", "cat-file", *sorted(folder.glob("*_Translation-en*"))]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    found, seen = [], set()
    for line, body in re.findall(r"^Description-en: (.*)\n((?: .*\n)*)", listing, flags=re.MULTILINE):
        blocks = [" ".join(block.split()) for block in re.split(r"^ \.\n", body, flags=re.MULTILINE)]
        if blocks[0] not in seen:
            fresh = [block for block in blocks if is_prose(block) and block not in seen]
            found += [(line, text) for text in joined(fresh, LONGEST)[:1]]
        seen.update(blocks)
    return found


SOURCES = [
    Source(package, "debian", "", licence, "documentation", passages, FILES, 0, MOST, skipped=UNWANTED)
    for licence, packages in MANUALS.items()
    for package in packages.split()
] + [Source("debian", "archive", "", "as the packages", "descriptions", descriptions, (), 0, MOST_DESCRIPTIONS)]
