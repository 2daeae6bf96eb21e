#!/usr/bin/env python3
"""A small tokenizer of Llama's kind, trained with SentencePiece on this repository's documentation, and the ids of texts.

Made with it: test/fixtures/sentencepiece/{tokenizer.json, metaspace.json, tokenizer.gguf, texts.json}. Both forms of
tokenizer.json are those that transformers has written for Llama-2 over the years. The ids are SentencePiece's own; Hugging
Face's tokenizers must agree with them, or nothing is written, but for those of the form "metaspace", which has its own.

    python sentencepiece_tokenizer.py test/fixtures/sentencepiece
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import gguf
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers.convert_slow_tokenizer import SentencePieceExtractor

ROOT = Path(__file__).parent.parent
TEXTS = [
    "The model reads a prompt.", "", " ", "  two spaces, and three   here", "line\nbreak\r\n\ttab", "naïve café — ▁ 中文 👩‍👩‍👧‍👦",
    "def f(x):\n    return x + 1", "\u0085\u200b\ufeff", "1234567890", "<s>not special</s>", "<0x0A> is a text", "trailing ",
    "philab quantize q4_k_m phi-2.gguf", "a" * 40, "ÄÖÜ ß Ω ∑ ≤ 1e-5", "\x00\x01\x7f",
]  # fmt: skip


def train(folder: Path) -> spm.SentencePieceProcessor:
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(file.read_text() for file in sorted((ROOT / "docs").glob("*.md"))))
    spm.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "model"), model_type="bpe", vocab_size=600, byte_fallback=True,
        normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False, split_digits=True,
        num_threads=1, character_coverage=0.995, allow_whitespace_only_pieces=True,
    )  # fmt: skip
    return spm.SentencePieceProcessor(model_file=str(folder / "model.model"))


def as_json(model: Path, form: str) -> Tokenizer:
    proto = model_pb2.ModelProto()
    proto.ParseFromString(model.read_bytes())
    vocabulary, merges = extract(model, proto)
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")])
    if form == "normalizer":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def extract(model: Path, proto) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """As transformers converts a model: every way to join two tokens to a third, the highest score first."""
    vocabulary = {piece.piece: id for id, piece in enumerate(proto.pieces)}
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == 1}
    result = SentencePieceExtractor(str(model)).extract(None)
    merges = result.get("merges") if isinstance(result, dict) else result[1]
    assert len(merges) > 100 and all(left + right in scores for left, right in merges)
    return vocabulary, [tuple(merge) for merge in merges]


def write_gguf(model: Path, path: Path) -> None:
    proto = model_pb2.ModelProto()
    proto.ParseFromString(model.read_bytes())
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece for piece in proto.pieces])
    writer.add_token_scores([piece.score for piece in proto.pieces])
    writer.add_token_types([piece.type for piece in proto.pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        processor = train(Path(scratch))
        model = Path(scratch) / "model.model"
        cases = [{"text": text, "ids": processor.encode(text)} for text in TEXTS]
        for name, form in {"tokenizer.json": "normalizer", "metaspace.json": "metaspace"}.items():
            tokenizer = as_json(model, form)
            for case in cases:
                special_free = case["text"] if "<s>" not in case["text"] else None
                if special_free is None:
                    continue
                found = tokenizer.encode(special_free, add_special_tokens=False).ids
                if form == "metaspace":  # puts no second space before one
                    case["metaspace"] = found
                else:
                    assert found == case["ids"], (name, case, found)
                case["decoded"] = tokenizer.decode(case["ids"], skip_special_tokens=False)
            (out / name).write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False))
        write_gguf(model, out / "tokenizer.gguf")
    (out / "texts.json").write_text(json.dumps(cases, ensure_ascii=False))
    print(f"{out}: {len(cases)} texts")


if __name__ == "__main__":
    main()
