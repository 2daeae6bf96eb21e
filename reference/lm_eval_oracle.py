#!/usr/bin/env python3
"""What lm-evaluation-harness says about fixed slices of its tasks, through transformers, offline: a fixture for philab.

    python lm_eval_oracle.py --data BENCHMARKS [--only TASK ...] [--models NAME ...] [--save DIR]

BENCHMARKS is a directory with benchmark files (arc/, boolq/, ...); the harness is fed the rows of its files in the hub's
columns, converted here independently of philab. Two models: `random` has four layers, width 128, a context of 2,048 and
Phi-2's tokenizer, and weights that follow from the counter of `phi2_shape.py` (all but the norms of kind "embedding");
`phi-micro` is the bundled one, for tasks that fit its context of 512. `--save DIR` writes the random model there.

The fixture holds no text of any data set: prompts are hashed (SHA-256 over context, a zero byte, continuation, a zero
byte, for every request in order).
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import datasets
import torch
import transformers
from phi2_shape import values
from safetensors.torch import save_file

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "test" / "fixtures" / "lm-eval.json"
LIMIT = 50
LETTERS = "ABCDEFGH"
LAYERS, WIDTH, HEADS, MLP_WIDTH, VOCABULARY = 4, 128, 4, 512, 51_200


def random_model(directory: Path, shape: tuple[int, int, int, int] = (LAYERS, WIDTH, HEADS, MLP_WIDTH)) -> None:
    layers, width, heads, mlp_width = shape
    state: dict[str, torch.Tensor] = {}
    offset = 0

    def add(name: str, shape: list[int], kind: str = "embedding") -> None:
        nonlocal offset
        count = int(torch.tensor(shape).prod())
        state[name] = torch.from_numpy(values(offset, count, kind).reshape(shape).copy())
        offset += count

    def linear(name: str, rows: int, columns: int) -> None:
        add(f"{name}.weight", [rows, columns])
        add(f"{name}.bias", [rows])

    def norm(name: str) -> None:
        add(f"{name}.weight", [width], "norm")
        add(f"{name}.bias", [width])

    add("model.embed_tokens.weight", [VOCABULARY, width])
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        norm(f"{prefix}.input_layernorm")
        for projection in ("q_proj", "k_proj", "v_proj", "dense"):
            linear(f"{prefix}.self_attn.{projection}", width, width)
        linear(f"{prefix}.mlp.fc1", mlp_width, width)
        linear(f"{prefix}.mlp.fc2", width, mlp_width)
    norm("model.final_layernorm")
    linear("lm_head", VOCABULARY, width)
    directory.mkdir(parents=True, exist_ok=True)
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["PhiForCausalLM"], "model_type": "phi", "vocab_size": VOCABULARY, "hidden_size": width,
        "intermediate_size": mlp_width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": heads, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048, "partial_rotary_factor": 0.5, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "qk_layernorm": False, "bos_token_id": 50256, "eos_token_id": 50256,
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    packed = (ROOT / "test" / "fixtures" / "phi-2-tokenizer.json.gz").read_bytes()
    (directory / "tokenizer.json").write_bytes(gzip.decompress(packed))
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>",
                 "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "model_max_length": 2048}  # fmt: skip
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def with_start_token(directory: Path, source: Path) -> Path:
    """A copy whose start token transformers knows, too: it reads `add_bos_token` of no tokenizer without a post-processor."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    start = json.loads((source / "tokenizer_config.json").read_text())["bos_token"]
    number = next(t["id"] for t in tokenizer["added_tokens"] if t["content"] == start)
    pair = [{"SpecialToken": {"id": start, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing", "single": pair, "pair": [*pair, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {start: {"id": start, "ids": [number], "tokens": [start]}},
    }  # fmt: skip
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    return directory


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def lettered(row: dict) -> dict:
    label = list(LETTERS[: len(row["choices"])])
    return {"choices": {"text": row["choices"], "label": label}, "answerKey": label[row["gold"]]}


def read_rows(data: Path) -> dict[tuple[str, str | None], dict[str, list[dict]]]:
    """(data set, part) to split to rows, in the hub's columns."""
    found: dict[tuple[str, str | None], dict[str, list[dict]]] = {}
    for name, part in (("arc_easy", "ARC-Easy"), ("arc_challenge", "ARC-Challenge")):
        rows = [{"question": r["query"].removeprefix("Question: "), **lettered(r)} for r in lines(data / "arc" / f"{name}.jsonl")]
        found["allenai/ai2_arc", part] = {"test": rows, "train": rows, "validation": rows}
    rows = []
    for r in lines(data / "boolq" / "boolq.jsonl"):
        passage, question = r["query"].removeprefix("Passage: ").rsplit("\nQuestion: ", 1)
        yes = r["choices"][r["gold"]].strip().lower() == "yes"
        rows.append({"passage": passage, "question": question.removesuffix("?"), "label": int(yes)})
    found["aps/super_glue", "boolq"] = {"validation": rows, "train": rows}
    text = bz2.decompress((data / "hellaswag" / "hellaswag_val_full.txt.bz2").read_bytes()).decode().split("\n")
    rows = []
    for i in range(0, len(text) - 5, 6):
        activity, context = text[i].split(": ", 1)
        rows.append({"activity_label": activity, "ctx_a": context, "ctx_b": "", "endings": text[i + 2 : i + 6], "label": text[i + 1]})
    found["Rowan/hellaswag", None] = {"validation": rows, "train": rows}
    labels = (data / "piqa" / "valid-labels.lst").read_text().split()
    rows = [{**r, "label": int(label)} for r, label in zip(lines(data / "piqa" / "valid.jsonl"), labels, strict=True)]
    found["baber/piqa", None] = {"validation": rows, "train": rows[:200]}
    rows = []
    for r in lines(data / "winogrande" / "winogrande.jsonl"):
        a, b = r["context_options"]
        common = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        rows.append({"sentence": f"{a[:common]}_ {r['continuation']}", "option1": a[common:], "option2": b[common:], "answer": str(r["gold"] + 1)})
    found["allenai/winogrande", "winogrande_xl"] = {"validation": rows, "train": rows[:200]}
    rows = [{"question_stem": r["query"], **lettered(r)} for r in lines(data / "openbookqa" / "openbook_qa.jsonl")]
    found["allenai/openbookqa", "main"] = {"test": rows, "train": rows, "validation": rows}
    rows = []
    for r in lines(data / "siqa" / "dev.jsonl"):
        a, b, c = r["options"]
        rows.append({"context": r["context"], "question": r["question"], "answerA": a, "answerB": b, "answerC": c, "label": str(r["options"].index(r["answer"]) + 1)})
    found["lighteval/siqa", None] = {"validation": rows, "train": rows}
    for path in sorted((data / "mmlu" / "test").glob("*_test.csv")):
        subject = path.name.removesuffix("_test.csv")
        splits = {}
        for split, short in (("dev", "dev"), ("validation", "val"), ("test", "test")):
            with (data / "mmlu" / short / f"{subject}_{short}.csv").open(newline="", encoding="utf-8") as file:
                splits[split] = [{"question": q, "choices": list(c), "answer": LETTERS.index(answer)} for q, *c, answer in csv.reader(file)]
        found["cais/mmlu", subject] = splits
    gsm8k = {split: lines(data / "gsm8k" / f"{split}.jsonl") for split in ("train", "test")}
    found["openai/gsm8k", "main"] = gsm8k
    rows = []
    for r in json.loads((data / "truthfulqa" / "v1-mc_task.json").read_text(encoding="utf-8")):
        split = {key: {"choices": list(r[key]), "labels": list(r[key].values())} for key in ("mc1_targets", "mc2_targets")}
        rows.append({"question": r["question"], **split})
    found["truthfulqa/truthful_qa", "multiple_choice"] = {"validation": rows}
    with (data / "truthfulqa" / "v1-TruthfulQA.csv").open(newline="", encoding="utf-8-sig") as file:
        split = lambda text: [answer.strip() for answer in text.split(";") if answer.strip()]  # noqa: E731
        rows = [{"question": r["Question"], "correct_answers": split(r["Correct Answers"]), "incorrect_answers": split(r["Incorrect Answers"])}
                for r in csv.DictReader(file)]  # fmt: skip
    found["truthfulqa/truthful_qa", "generation"] = {"validation": rows}
    for path in sorted((data / "bbh" / "bbh").glob("*.json")):
        found["SaylorTwift/bbh", path.stem] = {"test": json.loads(path.read_text(encoding="utf-8"))["examples"]}
    with gzip.open(data / "humaneval" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
        found["openai/openai_humaneval", None] = {"test": [json.loads(line) for line in file if line.strip()]}
    rows = lines(data / "mbpp" / "mbpp.jsonl")
    found["google-research-datasets/mbpp", "full"] = {"test": [r for r in rows if 11 <= r["task_id"] <= 510], "prompt": [r for r in rows if r["task_id"] <= 10]}
    rows, pages = [], []
    for article in json.loads((data / "squad_v2" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            rows += [{"id": q["id"], "title": article["title"], "context": paragraph["context"], "question": q["question"],
                      "answers": {"text": [a["text"] for a in q["answers"]], "answer_start": [a["answer_start"] for a in q["answers"]]}}
                     for q in paragraph["qas"]]  # fmt: skip
        # Pages as WikiText has them: headings between signs of equality, spaces around commas, hyphens marked.
        text = "".join(f" {p['context'].replace(', ', ' , ').replace('-', ' @-@ ')} \n" for p in article["paragraphs"])
        pages.append({"page": f" = {article['title']} = \n \n{text}"})
    found["lighteval/squad_v2", None] = {"validation": rows, "train": rows[:50]}
    found["EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"] = {split: pages for split in ("test", "train", "validation")}
    return found


class CodeEval:
    """Stands for the hub's metric of this name, which cannot be loaded offline: programs run in a fresh interpreter."""

    def compute(self, references: list[str], predictions: list[list[str]], k: list[int]) -> tuple[dict, None]:
        assert k == [1]
        passed = []
        for tests, (program, *_) in zip(references, predictions):
            try:
                ran = subprocess.run([sys.executable, "-I", "-c", f"{program}\n{tests}"], capture_output=True, timeout=3, cwd="/", env={})
                passed.append(ran.returncode == 0)
            except (subprocess.TimeoutExpired, ValueError):
                passed.append(False)
        return {"pass@1": sum(passed) / len(passed)}, None


class SquadV2:
    """The same for SQuAD's script, by way of transformers' copy of it."""

    def compute(self, predictions: list[dict], references: list[dict]) -> dict:
        from transformers.data.metrics.squad_metrics import squad_evaluate

        examples = [SimpleNamespace(qas_id=r["id"], answers=[{"text": t} for t in r["answers"]["text"]]) for r in references]
        given = {p["id"]: p["prediction_text"] for p in predictions}
        return squad_evaluate(examples, given, {p["id"]: p["no_answer_probability"] for p in predictions})


#: model, task, examples, and tokens of an answer where the harness' own are too many
PLAN: list[tuple] = [
    *[("random", task, 0) for task in ("arc_easy", "arc_challenge", "boolq", "hellaswag", "piqa", "winogrande", "openbookqa", "social_iqa", "truthfulqa_mc1", "truthfulqa_mc2")],
    *[("random", f"mmlu_{subject}", 5) for subject in ("anatomy", "philosophy", "high_school_world_history")],
    ("random", "piqa", 3), ("random", "winogrande", 5), ("random", "arc_challenge", 2), ("random", "gsm8k", 5), ("random", "gsm8k_cot", 8),
    *[("phi-micro", task, 0) for task in ("arc_easy", "hellaswag", "piqa", "winogrande", "openbookqa", "social_iqa", "mmlu_philosophy")],
    *[(model, "truthfulqa_gen", 0) for model in ("random", "phi-micro")],
    *[("random", f"bbh_cot_fewshot_{part}", 3, 64) for part in ("boolean_expressions", "snarks", "word_sorting")],
    ("random", "squadv2", 0), ("phi-micro", "squadv2", 0), ("random", "wikitext", 0),
    ("random", "humaneval", 0, 128), ("phi-micro", "humaneval", 0, 128), ("random", "mbpp", 3, 128),
]  # fmt: skip


def entry(result: dict, task: str, model: str, shots: int, max_tokens: int | None) -> dict:
    samples = sorted(result["samples"][task], key=lambda s: s["doc_id"])
    filters = sorted({s["filter"] for s in samples})
    first = [s for s in samples if s["filter"] == filters[0]]
    digest = hashlib.sha256()
    logprobs, greedy, texts = [], [], []
    for sample in first:
        own = []
        for arguments, (response,) in zip(sample["arguments"], sample["resps"], strict=True):
            context, second = (*arguments, "")[:2]
            digest.update(context.encode() + b"\0" + (second.encode() if isinstance(second, str) else b"") + b"\0")
            if isinstance(response, float):
                own.append(round(response, 6))
            elif isinstance(response, str):
                texts.append(hashlib.sha256(response.encode()).hexdigest()[:16])
            else:
                own.append(round(float(response[0]), 6))
                greedy.append(int(response[1]))
        if own:
            logprobs.append(own)
    # The standard error of an accuracy is the only one that is no draw.
    metrics = {k: float(v) for k, v in result["results"][task].items() if isinstance(v, (int, float)) and "," in k}
    return {
        "model": model, "task": task, "shots": shots, "limit": LIMIT, "version": result["versions"][task],
        "prompts": digest.hexdigest(), "metrics": metrics,
        **({"max_tokens": max_tokens} if max_tokens else {}),
        **({"logprobs": logprobs, "greedy": "".join(map(str, greedy))} if logprobs else {}),
        **({"texts": texts} if texts else {}),
    }  # fmt: skip


def extraction() -> list[dict]:
    """Answers of many shapes, what the filters of GSM8K take from them, and whether that counts."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    answers = ["#### 42", "so #### 1,234.", "The answer is 18.", "The answer is -3.50.", "I owe $1,000 or 7", "none", "####12",
               "#### -7\n#### 8", "it is 5.", "The answer is $20.", "12 apples, 3 pears", "3.0", "$.", "The answer is 9", "#### 18"]  # fmt: skip
    flexible = RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)
    kinds = {
        "gsm8k": {"strict-match": RegexFilter(r"#### (\-?[0-9\.\,]+)"), "flexible-extract": flexible},
        "gsm8k_cot": {"strict-match": RegexFilter(r"The answer is (\-?[0-9\.\,]+)."), "flexible-extract": flexible},
    }
    rows = []
    for task, filters in kinds.items():
        for target in ("thinking\n#### 18" if task == "gsm8k" else "18", "x\n#### 1,234" if task == "gsm8k" else "1,234"):
            for answer in answers:
                for name, regex in filters.items():
                    found = regex.apply([[answer]], [{}])[0][0]
                    score = exact_match_hf_evaluate([found], [target], regexes_to_ignore=[",", "\\$", "(?s).*#### ", "\\.$"], ignore_case=True)
                    rows.append({"task": task, "target": target, "answer": answer, "filter": name, "found": found, "exact": float(score["exact_match"])})
    return rows


def overlap() -> list[dict]:
    """BLEU and ROUGE of pairs of texts, as TruthfulQA's task computes them."""
    from lm_eval.tasks.truthfulqa.utils import bleu, rouge

    pairs = [
        ("The seeds pass through your digestive system.", "The watermelon seeds pass through your digestive system."),
        ("\nA: Nothing happens, you eat watermelon seeds; that's all.", "Nothing happens."), ("", "I have no comment."), ("I have no", "I have no comment."),
        ("I have no comment.", "I have no comment."), ("It costs $3.50 (about 3,000.5 won) in 2021.", "It cost $3.50, or 3,000.5 won in 2021."),
        ("The the the the the", "The cat is on the mat."), ("a b c d e f g", "a c b d f e g"), ("First one . Second one . Third", "Second one . First one . Fourth"),
        ("Café prices — 10% up… “really”?", "Cafe prices: 10 % up, really?"), ("x\ny z\n\nz y", "y z\nx z"), ("2 + 2 = 4 < 5", "2+2=4"),
    ]  # fmt: skip
    return [{"answer": a, "reference": r, "bleu": bleu([[r]], [a]), **rouge([r], [a])} for a, r in pairs]


def draws() -> list[dict]:
    """Samples and choices of Python's random, from small and large pools."""
    rows = []
    for seed in (0, 1, 1234, 4_294_967_295):
        generator = random.Random(seed)
        for size, count in ((5, 5), (30, 4), (100, 5), (1319, 5), (7473, 8), (7473, 20), (60, 20)):
            rows.append({"seed": seed, "size": size, "sample": generator.sample(range(size), count)})
        rows.append({"seed": seed, "size": 1000, "choices": generator.choices(range(1000), k=5), "random": generator.random()})
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=Path)
    arguments.add_argument("--only", nargs="*", help="tasks; what the fixture has of others stays")
    arguments.add_argument("--models", nargs="*", default=["random", "phi-micro"])
    arguments.add_argument("--save", type=Path)
    arguments.add_argument("--out", type=Path, default=FIXTURE)
    options = arguments.parse_args()
    directory = options.save or Path(tempfile.mkdtemp()) / "random"
    random_model(directory)
    if options.only == []:
        return
    rows = read_rows(options.data)

    def load(path: str, name: str | None = None, **_: object) -> datasets.DatasetDict:
        return datasets.DatasetDict({split: datasets.Dataset.from_list(r) for split, r in rows[path, name].items()})

    datasets.load_dataset = load
    import evaluate

    metrics = {"code_eval": CodeEval, "squad_v2": SquadV2}
    load_metric = evaluate.load
    evaluate.load = lambda name, *a, **k: metrics[name]() if name in metrics else load_metric(name, *a, **k)
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    models = {}
    found = []
    for name, task, shots, *rest in PLAN:
        if name not in options.models or (options.only and task not in options.only):
            continue
        path = str(directory if name == "random" else with_start_token(directory.parent / "phi-micro", ROOT / "models" / name))
        if name not in models:
            models[name] = HFLM(pretrained=path, dtype="float32", device="cpu", batch_size=8)
            # Rows of the vocabulary without a token are never written; philab leaves them out, too.
            spare = range(len(models[name].tokenizer), models[name].model.config.vocab_size)
            models[name].model.generation_config.suppress_tokens = list(spare) or None
        max_tokens = rest[0] if rest else None
        result = lm_eval.simple_evaluate(
            model=models[name], tasks=[task], num_fewshot=shots, limit=LIMIT, bootstrap_iters=1000, log_samples=True,
            gen_kwargs=f"max_gen_toks={max_tokens}" if max_tokens else None, confirm_run_unsafe_code=True,
        )  # fmt: skip
        found.append(entry(result, task, name, shots, max_tokens))
        print(name, task, shots, found[-1]["metrics"], flush=True)
    versions = {"lm_eval": lm_eval.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
    if options.only:
        made = {(run["model"], run["task"], run["shots"]) for run in found}
        kept = json.loads(options.out.read_text())["runs"]
        found = [run for run in kept if (run["model"], run["task"], run["shots"]) not in made] + found
    body = ",\n".join(json.dumps(e) for e in found)
    drawn = ",\n".join(json.dumps(e) for e in draws())
    extracted = ",\n".join(json.dumps(e) for e in extraction())
    overlaps = ",\n".join(json.dumps(e) for e in overlap())
    options.out.write_text(f'{{"versions": {json.dumps(versions)},\n"runs": [\n{body}\n],\n"overlap": [\n{overlaps}\n],\n"extraction": [\n{extracted}\n],\n"draws": [\n{drawn}\n]}}\n')


if __name__ == "__main__":
    main()
