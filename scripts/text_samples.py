"""Texts in many scripts, with everything that tokenizers stumble over. Always the same ones."""

import random

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.", "It's what we'd've done; they're, I'll, you'm.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Portez ce vieux whisky au juge blond qui fume, à l'œuvre où ça naît.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.", "İstanbul'da ılık ĞÜŞ ıspanak.",
    "Съешь ещё этих мягких французских булок, да выпей чаю.", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΣΑΣ",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה", "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
    "いろはにほへと ちりぬるを。カタカナ、がぎぐ ぱぴぷ", "我能吞下玻璃而不伤身体。繁體中文！", "키스의 고유조건은 입술끼리 만나야 한다.",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า", "Tiếng Việt có dấu: ầ ẩ ẫ ấ ậ ữ ự",
    "ትግርኛ አማርኛ ፊደል", "მხედრული ანბანი", "Հայերեն այբուբեն", "ᚠᛇᚻ᛫ᛒᛦᚦ", "தமிழ் மொழி", "বাংলা ভাষা", "ქართული ᲥᲐᲠᲗᲣᲚᲘ",
]
PIECES = [
    "😀", "👩‍👩‍👧‍👦", "🇩🇪", "🏳️‍🌈", "👍🏽", "e\u0301", "a\u0300\u0316", "ﬁ", "Å", "ǆ", "ß", "ẞ", "İ", "ſ", "K", "ﷺ", "㍿", "①",
    "½", "²", "Ⅷ", "٣", "१२", "\u00a0", "\u2003", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2028", "\u2029", "\u0085",
    "\u3000", "\t", "\n", "\r\n", "\x0b", "\x0c", "\x00", "\x01", "\x1c", "\x7f", "\x9f", "\ufffd", "\ue000", "\U0010ffff",
    "\u0378", "  ", "   ", " \n ", "\n\n", "'s", "'S", "'t", "''ll", "'re'", "''", "\"", "...", "---", "—", "“q”", "«»", "¿?",
    "#tag", "##a", "@you", "a_b", "x^2", "$5.00", "€", "100%", "3.14", "1,000", "http://a.b/c?d=e&f", "a@b.c", "C++", "\\n",
    "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", "<s>", "</s>", "<pad>", "<mask>", " <mask> ", "<unk>", "< s>",
    "的", "丽", "𠀀", "豈", "𪜀", "한", "ᄒ", "ᅡ", "ᆫ", "각", "ஔ", "ো", "𝒳", "𝟗", "\u1734", "\u166d", "\U000111c9", "\u2e43", "\u0e01\u0e33",
    "\U0001d15e", "ª", "º", "ʰ", "ℵ", "\u0345", "\u0300", "〇", "々", "ｶﾞ", "Ｆｕｌｌ", "\u1e9e", "ǅ", "ŉ", "ΰ", "\u20d0", "\ufe0f",
]


def samples(count=420, seed=7):
    """Sentences, pieces, and mixtures of both."""
    chance = random.Random(seed)
    texts = list(SENTENCES) + list(PIECES) + ["", " ", "a" * 99, "b" * 100, "c" * 101, "d" * 400,
                                              "é" * 100, "ab" * 60 + " end", "'" * 30, "1" * 120,
                                              " " * 50 + "x" + " " * 7]
    words = [word for text in SENTENCES for word in text.split(" ")]
    while len(texts) < count:
        parts = []
        for _ in range(chance.randint(1, 14)):
            kind = chance.random()
            if kind < 0.55:
                parts.append(chance.choice(words))
            elif kind < 0.9:
                parts.append(chance.choice(PIECES))
            else:
                number = chance.choice([chance.randrange(0x20, 0x3000),
                                        chance.randrange(0x3000, 0x20000)])
                parts.append("x" if 0xd800 <= number < 0xe000 else chr(number))
        texts.append(chance.choice(["", " ", " "]).join(parts))
    return texts
