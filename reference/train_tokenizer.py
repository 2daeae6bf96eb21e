"""Tokenizers that Hugging Face's tokenizers learns from small texts: what philab's trainer is compared with.

    python reference/train_tokenizer.py test/fixtures/tokenizer-training.json

The texts are written here or drawn from a fixed seed, and stored in the fixture with the results.
"""

import json
import random
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = "<|endoftext|>"

PROSE = [
    "A lighthouse keeper counts the ships that pass, and the ships count on the lighthouse keeper.\n",
    "The theory that nobody tests is a theory that nobody needs; there are many of these theories.\n\n"
    "  The third, though, they thought through thoroughly.\n",
    "In 1984 they had 12 lamps, in 1985 they had 24, and it wasn't until 1999 that they'd 1,000 of them.\n",
    "Der Wärter zählt die Schiffe. Le gardien compte les bateaux à l'entrée. Смотритель считает корабли. "
    "灯台守は船を数えます。🚢🚢🚢 ½ ﬁ e\u0301 \u00a0\u2003x\n",
]

CODE = [
    "def count(ships):\n    total = 0\n    for ship in ships:\n        if ship.seen:\n            total += 1\n    return total\n",
    "def names(ships):\n    result = []\n    for ship in ships:\n        result.append(ship.name)\n    return result\n",
    "class Ship:\n\tdef __init__(self, name):\n\t\tself.name = name\n\t\tself.seen = False\n",
    "assert count([]) == 0\nassert names([]) == []\n",
]


def noise(seed, alphabet, words, longest):
    """Words of few letters: many pairs are equally frequent, and many tokens can be made in several ways."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choice(alphabet) for _ in range(draw.randint(1, longest))) for _ in range(words))


CASES = [
    {"name": "prose", "texts": PROSE, "vocab_size": 420, "min_frequency": 0},
    {"name": "code, in pairs that occur twice", "texts": CODE, "vocab_size": 400, "min_frequency": 2},
    {"name": "words of two letters", "texts": [noise(1, "ab", 120, 14)], "vocab_size": 500, "min_frequency": 0},
    {"name": "words of three letters, several texts", "texts": [noise(s, "abc", 60, 9) for s in range(2, 6)], "vocab_size": 450, "min_frequency": 3},
    {"name": "one letter", "texts": ["a" * 37 + " " + "a" * 8 + " aaa"], "vocab_size": 300, "min_frequency": 0},
]


def train(case):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=case["vocab_size"],
        min_frequency=case["min_frequency"],
        special_tokens=[SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(case["texts"], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in case["texts"]]
    return {**case, "tokens": sorted(model["vocab"], key=model["vocab"].get), "merges": model["merges"], "ids": ids}


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        rows = ",\n".join(json.dumps(train(case), ensure_ascii=False, separators=(",", ":")) for case in CASES)
        file.write(f"[\n{rows}\n]\n")
