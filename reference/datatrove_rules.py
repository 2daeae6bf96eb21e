"""What datatrove's filters say about documents, for src/data/clean: test/fixtures/data/datatrove-rules.json.gz.

The texts are Python's own documentation as pydoc ships it (PSF licence), whole topics and pieces of them, some damaged so
that every rule has something to find; and a few lines written for this script.
"""

import gzip
import json
import random
import re
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters.pii import PIIFormatter
from datatrove.utils.text import split_into_words

OUT = Path(__file__).parent.parent / "test/fixtures/data/datatrove-rules.json.gz"
PII = [
    "Write to jane.doe@example.org or to bob@mail.co.uk, not to @nobody or a@b.",
    "Servers: 8.8.8.8, 10.0.0.1, 127.0.0.1, 100.64.1.1, 192.0.2.7, 224.0.0.1, 1.2.3.4.5, 01.2.3.4, 300.1.1.1.",
    "<first.last+tag@sub.domain.example.com>; x=y@z.com!user@host.org/é@ü.de naïve@site.fr user@[1.2.3.4]",
    "three@mails.org two@mails.org one@mails.org and 9.9.9.9 8.8.4.4 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5",
]


def damaged(rng, text):
    lines = text.split("\n")
    yield "\n".join("- " + line for line in lines)
    yield "\n".join(line + " ..." for line in lines)
    yield "\n".join("# # " + line for line in lines)
    yield re.sub(r"\b(\w{2})\w*", r"\1", text)
    yield re.sub(r"[a-zA-Z]", lambda m: str(rng.randrange(10)) if rng.random() < 0.7 else m[0], text)
    yield text.replace(" ", "")
    half = lines[: len(lines) // 2]
    yield "\n".join(half + half)
    yield "\n\n".join([text[:200]] * 3 + [text])
    yield text + "\n" + " ".join(["say it again and again"] * rng.randrange(5, 60))
    yield re.sub(r"\b(the|be|to|of|and|that|have|with)\b", "", text)
    yield "\n".join(line + "." for line in lines if "{" not in line)
    yield re.sub(r"\s+", " ", text)
    yield text.replace("{", "(") + "\nLorem ipsum is here, it seems."
    yield "".join(s + "\n" for s in re.split(r"(?<=[.!?])\s+", text.replace("\n", " ").replace("{", "(")))
    yield "\n".join(f"{line} Read the cookie policy." if i % 3 else f"{line} Javascript is on." for i, line in enumerate(lines))


def documents():
    rng = random.Random(7)
    for i, name in enumerate(sorted(topics)):
        text = topics[name].strip()
        if i % 3:
            # Most topics are half symbols, and would all break one rule.
            text = re.sub(r"[`|*=+\"()\[\]{}<>_\\/~^-]+", " ", text)
        if len(text) > 6000:
            start = text.find("\n\n", rng.randrange(len(text) - 5000))
            text = text[start : start + 5000].strip()
        yield text
        paragraphs = text.split("\n\n")
        if len(paragraphs) > 3:
            yield "\n\n".join(" ".join(p.split()) for p in paragraphs)
        if rng.random() < 0.35 and len(text) > 400:
            yield rng.choice(list(damaged(rng, text)))
    for _ in range(60):
        text = re.sub(r"[`|*=+\"()\[\]<>_\\]+", " ", topics[rng.choice(sorted(topics))].strip()[:3000])
        if len(text) > 800:
            yield rng.choice(list(damaged(rng, text)))


def reason(result):
    return result[1] if isinstance(result, tuple) else None if result else "rejected"


def main():
    quality, repetition = GopherQualityFilter(), GopherRepetitionFilter()
    c4, fineweb = C4QualityFilter(), FineWebQualityFilter()
    rows = []
    for i, text in enumerate(documents()):
        words = split_into_words(text)
        row = {"text": text, "words": len(words)}
        row["gopher_quality"] = reason(quality.filter(Document(text=text, id=str(i)))) if words else "empty"
        row["gopher_repetition"] = reason(repetition.filter(Document(text=text, id=str(i))))
        document = Document(text=text, id=str(i))
        row["c4"] = reason(c4.filter(document))
        if row["c4"] is None:
            row["c4_text"] = document.text
        row["fineweb"] = reason(fineweb.filter(Document(text=text, id=str(i))))
        rows.append(row)
    pii = [{"text": text, "scrubbed": PIIFormatter().format(text)} for text in PII]
    words = [{"text": t, "words": split_into_words(t)} for t in (r["text"][:400] for r in rows[::12])]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    record = {"datatrove": version("datatrove"), "spacy": version("spacy"), "rows": rows, "pii": pii, "words": words}
    OUT.write_bytes(gzip.compress(json.dumps(record, ensure_ascii=False).encode(), 9, mtime=0))
    for key in ("gopher_quality", "gopher_repetition", "c4", "fineweb"):
        counts = {}
        for row in rows:
            counts[row[key]] = counts.get(row[key], 0) + 1
        print(key, counts)
    print(len(rows), "documents,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
