#!/usr/bin/env python3
"""Makes a plain text of the King James Bible from Debian's package sword-text-kjv: a verse on each line, an empty line between
chapters, two between books.

    make_text.py FOLDER FILE           all 66 books
    make_text.py FOLDER FILE --part    the part that is embedded: the four Gospels and the Acts

FOLDER is share/sword/modules/texts/ztext/engKJV2006eb, of the package or unpacked (dpkg-deb -x). A FILE that ends in .gz is
compressed, the same bytes every time.

The format: a .bzz file is a run of zlib blocks, one for each book. Its .bzs says in 12 bytes each (offset, compressed size, size)
where they are, its .bzv in 10 bytes each (block, offset, size) where the records are: headings, chapters and verses, in OSIS."""
import gzip
import html
import re
import struct
import sys
import zlib

BOOKS = {"ot": 39, "nt": 27}
PART = [("nt", 1), ("nt", 2), ("nt", 3), ("nt", 4), ("nt", 5)]


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def records(folder, testament):
    """(block, text) of all records; the first block is not a book's."""
    bzs, bzv, bzz = (contents("%s/%s.%s" % (folder, testament, kind)) for kind in ("bzs", "bzv", "bzz"))
    if len(bzs) % 12 or len(bzv) % 10:
        sys.exit("make_text.py: %s: the index is cut" % testament)
    blocks = []
    for offset, packed, size in struct.iter_unpack("<III", bzs):
        block = zlib.decompress(bzz[offset:offset + packed])
        if len(block) != size:
            sys.exit("make_text.py: %s: a block has %d bytes, expected %d" % (testament, len(block), size))
        blocks.append(block)
    for block, offset, size in struct.iter_unpack("<IIH", bzv):
        yield block, blocks[block][offset:offset + size].decode("utf-8") if size else ""


def plain(text):
    """What a reader reads: no footnotes, no headings; the divine name in capitals, as it is printed."""
    text = re.sub(r"<(note|title)\b[^>]*(?<!/)>.*?</\1>", "", text, flags=re.S)
    text = re.sub(r"<divineName>(.*?)</divineName>", lambda m: m.group(1).upper(), text, flags=re.S)
    text = re.sub(r"<lb\b[^>]*>|</?lg?\b[^>]*>", " ", text)
    text = html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\\nd ", "")  # a mark that its makers left standing
    return " ".join(text.translate({0x2019: "'", 0x2014: "-", 0xb6: None}).split())


def book(folder, testament, number):
    lines = []
    for block, text in records(folder, testament):
        if block != number:
            continue
        verse = plain(text)
        if re.search(r"<chapter\b[^>]* sID=", text) and lines and lines[-1]:
            lines.append("")
        if verse:
            lines.append(verse)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--part"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    folder, path = arguments
    wanted = PART if "--part" in sys.argv else [(t, i + 1) for t in ("ot", "nt") for i in range(BOOKS[t])]
    text = "\n\n".join(book(folder, t, i) for t, i in wanted).encode("utf-8")
    if path.endswith(".gz"):
        text = gzip.compress(text, 9, mtime=0)
    with open(path, "wb") as file:
        file.write(text)


if __name__ == "__main__":
    main()
