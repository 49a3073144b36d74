#!/usr/bin/env python3
"""Folding of strings against Python's own Unicode tables.

    fold_check.py build/fold

Every character that Python knows, between letters, must fold to what the tables of
another make of it: compatibility decomposition, case folding, marks dropped that are
accents. What the store does beyond Unicode stands in BEYOND, each with its reason. Then
names in many scripts: what must be found by what people type, and what must not.
"""
import subprocess
import sys
import unicodedata

# Vowel signs and viramas: marks by category, letters to readers.
VOWELS = {0, 9, 84, 91, 103, 118, 129, 130, 132}
# Letters typed without stroke, hook or ligature; typesetters' apostrophes, quotes, dashes.
BEYOND = dict(item.split("=") for item in (
    "«=\" »=\" æ=ae ð=d ø=o þ=th đ=d ħ=h ı=i ĸ=k ł=l ŋ=n œ=oe ŧ=t ƀ=b ƈ=c ƒ=f ƙ=k ƚ=l ƞ=n ƥ=p ƭ=t "
    "ƴ=y ƶ=z ǝ=e ǥ=g ȷ=j ȼ=c ɇ=e ɉ=j ɍ=r ɏ=y ɓ=b ɔ=o ɖ=d ɗ=d ɛ=e ɠ=g ɣ=g ɨ=i ɩ=i ɫ=l ɲ=n ʉ=u ʊ=u ʋ=v "
    "ʻ=' ʼ=' ‐=- ‒=- –=- —=- ―=- ‘=' ’=' ‛=' “=\" ”=\" „=\" ‟=\" −=-").split())
IGNORED = set("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u3164\ufeff\uffa0") | {
    chr(c) for r in ((0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0xFE00, 0xFE10), (0xFFF0, 0xFFF9),
                     (0x1BCA0, 0x1BCA4), (0x1D173, 0x1D17B), (0xE0000, 0xE1000)) for c in range(*r)}

# (stored, what is typed): must agree when folded, as a prefix at least.
FOUND = [
    ("Müller", "MULLER"), ("Weiß", "weiss"), ("WEIẞ", "weiß"), ("Łukasz Żółw", "lukasz zolw"), ("Nguyễn", "nguyen"),
    ("Þórður", "thordur"), ("Øster", "oster"), ("Çelik", "celik"), ("İpek", "ipek"), ("Işık", "isik"), ("Dvořák", "dvorak"),
    ("José", "Jose\u0301"), ("O’Brien", "O'Brien"), ("Jean–Luc", "jean-luc"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Ἀχιλλεύς", "αχιλλευσ"),
    ("Пётр", "петр"), ("Йосиф", "иосиф"), ("ԵՒՐՈՊԱ", "եւրոպա"), ("ᲐᲜᲐ", "ანა"), ("כֹּהֵן", "כהן"), ("مُحَمَّد", "محمد"), ("أحمد", "احمد"),
    ("ज़ैन", "जैन"), ("น้อย", "นอย"), ("ﾔﾏﾀﾞ", "ヤマダ"), ("か\u3099く", "がく"), ("김철수", "김철수"), ("ＡＢＣ", "abc"), ("ﬁne", "fine"),
    ("山田\u3000太郎", "山田 太郎"), ("zero\u200dwidth", "zerowidth"), ("Kɔdzo", "kodzo"), ("Ɗan", "dan"), ("𝒵oe", "zoe"), ("𐐀", "𐐨"),
]
# Names of different people.
APART = [
    ("राम", "रमा"), ("कुमार", "कमर"), ("गीता", "गाता"), ("தமிழ்", "தமழ"), ("สมชาย", "สมชย"), ("น้ำ", "นา"), ("মিতা", "মাতা"),
    ("ကို", "ကာ"), ("王小明", "王小朋"), ("やまだ", "ヤマダ"), ("김", "킴"), ("Ωμέγα", "Ομεγα"), ("علي", "على"), ("Müller", "Mueller"),
]


def fold(text):
    text = "".join(c for c in text if c not in IGNORED)
    for _ in range(3):
        text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Me" and not (
        unicodedata.category(c) in ("Mn", "Mc") and unicodedata.combining(c) not in VOWELS))
    return " ".join("".join(BEYOND.get(c, c) for c in text if c not in IGNORED).split())


def main():
    chars = [chr(c) for c in range(0x20, 0x110000) if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    lines = ["x" + c + "y" for c in chars] + [t for pair in FOUND + APART for t in pair]
    out = subprocess.run([sys.argv[1]], input="\n".join(lines).encode() + b"\n", stdout=subprocess.PIPE, check=True).stdout
    got = out.decode().split("\n")[:-1]
    assert len(got) == len(lines), f"{len(got)} of {len(lines)} lines came back"
    bad = [f"U+{ord(c):04X} {unicodedata.name(c, '')}: {g!r}, and by Python's tables {fold(t)!r}"
           for c, t, g in zip(chars, lines, got) if g != fold(t)]
    at = len(chars)
    for i, (a, b) in enumerate(FOUND + APART):
        one, two = got[at + 2 * i], got[at + 2 * i + 1]
        if (one == two) != (i < len(FOUND)):
            bad.append(f"{a} and {b}: {one!r}, {two!r}")
    for line in bad[:40]:
        print(line)
    total = len(chars) + len(FOUND) + len(APART)
    print(f"fold: {total - len(bad)} passed, {len(bad)} failed, 0 skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
