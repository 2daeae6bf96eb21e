/** `philab data classify` and `philab data select`: what annotations teach, and what is kept of it. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { visibleText } from "../../base/terminal.ts";
import { openCorpus, readCorpus } from "../../data/corpus.ts";
import { readAnnotations } from "../../data/judge/annotate.ts";
import { classifierText, readClassifier } from "../../data/judge/classifier-file.ts";
import { CLASSIFIERS } from "../../data/judge/classifier.ts";
import { scoreName } from "../../data/judge/classify-stage.ts";
import { chooseThreshold, type Cut } from "../../data/judge/curves.ts";
import { classifierPage } from "../../data/judge/report.ts";
import { teach, type Performance, type Taught } from "../../data/judge/teach.ts";
import { defineCommand } from "../command.ts";
import { corpusOut, fullPath, runRecipe } from "../data.ts";
import { flags } from "../flags.ts";
import { openModel } from "../open-model.ts";

const corpusArgument = z.string().min(1).describe("a folder of philab data ingest");

export const classify = defineCommand({
  description:
    "Teaches classifiers from annotations, as phi-1 did: documents are embedded with the model, and a random forest learns which are good, beside a linear, an n-gram and a heuristic classifier. Each is judged on examples it has not seen. The chosen one then scores every document. The classifier and a report lie beside the corpus, in OUT.classifier.",
  arguments: { corpus: corpusArgument },
  options: {
    ...flags("model", "mode", "device", "threads", "seed"),
    out: corpusOut,
    annotations: z
      .string()
      .min(1)
      .describe("the file of philab data annotate")
      .meta({ placeholder: "file" }),
    classifier: z.enum(CLASSIFIERS).default("forest").describe("which one scores the corpus"),
    goodFrom: z
      .number()
      .default(3)
      .describe("ratings from here on are good")
      .meta({ placeholder: "rating" }),
    folds: z.int().min(2).max(50).default(5).describe("of the cross-validation"),
  },
  examples: [
    {
      command: "philab data classify corpora/docs --annotations ratings.jsonl --out corpora/scored",
      does: "scores all documents by what a thousand ratings teach",
    },
  ],
  async run(context) {
    const { args, options, settings, output, signal, cwd } = context;
    const corpus = await openCorpus(fullPath(args.corpus, cwd));
    const annotations = await readAnnotations(fullPath(options.annotations, cwd));
    const out = fullPath(options.out, cwd);
    const folder = `${out}.classifier`;
    let taught: Taught;
    {
      await using model = (await openModel(context)).model;
      using progress = output.progress({ label: "embed", unit: "documents" });
      taught = await teach(readCorpus(corpus, { signal }), annotations, {
        ...{ kind: options.classifier, goodFrom: options.goodFrom, folds: options.folds },
        ...{ seed: settings.seed, model, signal },
        onProgress: (done, total) => {
          progress.update(done, { total });
        },
      });
      progress.finish();
    }
    const { performances, unmatched, file } = taught;
    if (unmatched > 0)
      output.warn(`${unmatched} annotations are of documents that the corpus does not have`);
    for (const line of performances.map(performanceLine)) output.note(line);
    await mkdir(folder, { recursive: true });
    const classifierFile = path.join(folder, "classifier.json");
    await writeTextAtomic(classifierFile, classifierText(file));
    const recipe = {
      name: path.basename(out),
      sources: [{ path: corpus.folder }],
      stages: [{ use: "classify", classifier: classifierFile }],
    };
    const report = path.join(folder, "report.html");
    await runRecipe(
      context,
      { recipe, out },
      {
        async more() {
          const scored = await openCorpus(out);
          const facts = [
            ["corpus", `${args.corpus}, ${corpus.sha256.slice(0, 16)}`],
            ["annotations", `${file.judged.length}, good from ${file.goodFrom}`],
            ["cross-validation", `${file.folds} folds, seed ${file.seed}`],
            ["embedded by", file.embedding?.model ?? "nothing"],
          ] as const;
          const html = await classifierPage(readCorpus(scored, { signal }), { taught, facts });
          await writeTextAtomic(report, html);
          return {
            value: { classifier: classifierFile, report, performances: performances.map(summary) },
            facts: [
              ["classifier", visibleText(classifierFile)],
              ["report", visibleText(report)],
            ],
          };
        },
      },
    );
  },
});

function performanceLine({ kind, auc, cut }: Performance): string {
  return `${kind.padEnd(10)}  ROC-AUC ${auc.toFixed(4)}, at the best F1: threshold ${cut.threshold.toFixed(3)}, precision ${cut.precision.toFixed(3)}, recall ${cut.recall.toFixed(3)}`;
}

const summary = ({ kind, auc, calibration: { expectedError, brier }, cut }: Performance) => ({
  ...{ kind, auc, expectedCalibrationError: expectedError, brier },
  bestF1: { ...cut },
});

export const select = defineCommand({
  description:
    "Keeps what scores well: from a threshold that is given, or one that the classifier's precision–recall curve gives. With --run, programs that test themselves are run, and those that fail go as well.",
  arguments: { corpus: z.string().min(1).describe("a folder of philab data classify") },
  options: {
    out: corpusOut,
    classifier: z
      .string()
      .min(1)
      .optional()
      .describe("its classifier.json; default: the one beside the corpus")
      .meta({ placeholder: "file" }),
    score: z
      .string()
      .min(1)
      .optional()
      .describe("the score that decides; default: the classifier's")
      .meta({ placeholder: "name" }),
    threshold: z
      .number()
      .optional()
      .describe("documents with less go; default: where the classifier's F1 is best")
      .meta({ placeholder: "score" }),
    minPrecision: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("the threshold with the most recall at this precision")
      .meta({ placeholder: "share" }),
    minRecall: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("the threshold with the most precision at this recall")
      .meta({ placeholder: "share" }),
    run: z
      .boolean()
      .default(false)
      .describe("run programs that test themselves, and take out those that fail"),
    timeoutMs: z
      .int()
      .min(1)
      .optional()
      .describe("time that a program has; default 6 seconds")
      .meta({ placeholder: "ms" }),
  },
  examples: [
    {
      command: "philab data select corpora/scored --out corpora/chosen --min-precision 0.9 --run",
      does: "as much as can be had at a precision of 0.9, less what fails its own tests",
    },
  ],
  async run(context) {
    const { args, options, output, cwd } = context;
    const corpus = fullPath(args.corpus, cwd);
    const out = fullPath(options.out, cwd);
    const { score, threshold, cut } = await decide(options, corpus, cwd);
    if (cut !== undefined)
      output.note(
        `threshold ${threshold.toFixed(4)}: on the annotations precision ${cut.precision.toFixed(3)}, recall ${cut.recall.toFixed(3)}, ${(100 * cut.share).toFixed(1)} % chosen`,
      );
    const { run, timeoutMs } = options;
    const limit = timeoutMs === undefined ? {} : { timeoutMs };
    const stage = { use: "select", score, threshold, run, ...limit };
    const recipe = { name: path.basename(out), sources: [{ path: corpus }], stages: [stage] };
    await runRecipe(
      context,
      { recipe, out },
      {
        more: () =>
          Promise.resolve({
            value: { score, threshold, ...(cut === undefined ? {} : { cut: { ...cut } }) },
            facts: [["threshold", `${score} ≥ ${threshold.toFixed(4)}`]],
          }),
      },
    );
  },
});

interface Decision {
  classifier?: string | undefined;
  score?: string | undefined;
  threshold?: number | undefined;
  minPrecision?: number | undefined;
  minRecall?: number | undefined;
}

/** Which score decides, and from where on. Throws `bad_input` where two rules are given. */
async function decide(
  { classifier, score, threshold, minPrecision, minRecall }: Decision,
  corpus: string,
  cwd: string,
): Promise<{ score: string; threshold: number; cut?: Cut }> {
  const rules = [threshold, minPrecision, minRecall].filter((rule) => rule !== undefined);
  if (rules.length > 1)
    throw new LabError("bad_input", "more than one rule for the threshold is given", {
      hint: "Give --threshold, --min-precision or --min-recall.",
    });
  if (score !== undefined && threshold !== undefined) return { score, threshold };
  const file =
    classifier === undefined
      ? path.join(`${corpus}.classifier`, "classifier.json")
      : fullPath(classifier, cwd);
  const { fitted, judged } = await readClassifier(file).catch((error: unknown) => {
    const { code, message } = LabError.from(error);
    if (code !== "not_found" || classifier !== undefined) throw error;
    throw new LabError(code, message, {
      hint: "Name a classifier (--classifier), or a score and a threshold.",
    });
  });
  const own = scoreName(fitted.kind);
  if (score !== undefined && score !== own)
    throw new LabError("bad_input", `${file} gives ${own}, not ${score}`, {
      hint: "Give a threshold of that score: --threshold.",
    });
  if (threshold !== undefined) return { score: own, threshold };
  const rule =
    minPrecision !== undefined
      ? { precision: minPrecision }
      : minRecall !== undefined
        ? { recall: minRecall }
        : "f1";
  const cut = chooseThreshold(judged, rule);
  return { score: own, threshold: cut.threshold, cut };
}
