/** `philab data annotate`: a sample of a corpus, judged by a model or by a person. */
import { createInterface } from "node:readline/promises";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatCount, formatFacts } from "../../base/format.ts";
import { visibleLine, visibleText } from "../../base/terminal.ts";
import { openCorpus, readCorpus } from "../../data/corpus.ts";
import { annotate, HIGHEST, LOWEST, type Annotator } from "../../data/judge/annotate.ts";
import { endpointAnnotator, localAnnotator, personAnnotator } from "../../data/judge/annotators.ts";
import { sampleDocuments } from "../../data/judge/sample.ts";
import { Endpoint } from "../../endpoint/index.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { fullPath } from "../data.ts";
import { flags } from "../flags.ts";
import { openModel } from "../open-model.ts";

type Context = Pick<
  CommandContext,
  "settings" | "sources" | "folders" | "output" | "signal" | "cwd" | "env" | "stdin"
>;

export const command = defineCommand({
  description: `Asks how much each document of a sample would teach a student, from ${LOWEST} to ${HIGHEST}, and writes the ratings down one by one: an interrupted run goes on where it was. Answers that are no rating are counted and asked for again, and never written. Asked is the model, one behind an endpoint, or a person.`,
  arguments: { corpus: z.string().min(1).describe("a folder of philab data ingest") },
  options: {
    ...flags("model", "mode", "device", "threads", "seed"),
    out: z
      .string()
      .min(1)
      .describe("the file of annotations, which grows")
      .meta({ short: "o", placeholder: "file" }),
    sample: z
      .int()
      .min(1)
      .default(1000)
      .describe("documents to judge")
      .meta({ placeholder: "count" }),
    endpoint: z
      .url()
      .optional()
      .describe("ask an OpenAI-compatible endpoint; --model is the model's name there")
      .meta({ placeholder: "url" }),
    person: z.boolean().default(false).describe("ask whoever sits at the terminal"),
    attempts: z
      .int()
      .min(1)
      .max(20)
      .default(3)
      .describe("questions about one document at most")
      .meta({ placeholder: "count" }),
  },
  examples: [
    {
      command: "philab data annotate corpora/docs --out ratings.jsonl --person",
      does: "rate documents at the terminal; s passes one over",
    },
    {
      command:
        "philab data annotate corpora/docs --out ratings.jsonl --endpoint http://localhost:8000/v1 --model phi-2",
      does: "a model on a serving cluster rates a thousand",
    },
  ],
  async run(context) {
    const { args, options, settings, output, signal, cwd } = context;
    const { sample: count, attempts } = options;
    const corpus = await openCorpus(fullPath(args.corpus, cwd));
    const documents = readCorpus(corpus, { signal });
    const subjects = await sampleDocuments(documents, { count, seed: settings.seed });
    const file = fullPath(options.out, cwd);
    await using opened = await openAnnotator(context, options);
    using progress = options.person
      ? undefined
      : output.progress({ label: "annotate", total: subjects.length, unit: "documents" });
    const counts = await annotate(subjects, opened.annotator, {
      ...{ file, attempts, signal },
      onProgress: ({ annotated, unanswered, passed, known }) =>
        progress?.update(known + annotated + unanswered + passed),
    });
    progress?.finish();
    const { known, annotated, nonsense, unanswered, passed } = counts;
    output.result({ file, annotator: opened.annotator.name, ...counts }, () =>
      formatFacts([
        ["annotations", visibleLine(file)],
        ["by", visibleLine(opened.annotator.name)],
        ["new", formatCount(annotated)],
        ["there before", formatCount(known)],
        ["nonsense", `${formatCount(nonsense)} answers, ${formatCount(unanswered)} documents left`],
        ["passed over", formatCount(passed)],
      ]),
    );
  },
});

async function openAnnotator(
  context: Context,
  { endpoint: url, person }: { endpoint?: string | undefined; person: boolean },
): Promise<{ annotator: Annotator } & AsyncDisposable> {
  const { settings, env } = context;
  if (person && url !== undefined)
    throw new LabError("bad_input", "a person is to be asked, and an endpoint as well", {
      hint: "Leave --person or --endpoint out.",
    });
  if (person) return askPerson(context);
  if (url === undefined) {
    const { model, reference } = await openModel(context);
    return {
      annotator: localAnnotator(model, reference.name),
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    };
  }
  if (settings.model === undefined)
    throw new LabError("bad_input", "the endpoint's model is not named", {
      hint: "Name it with --model.",
    });
  const apiKey = env["PHILAB_API_KEY"];
  const endpoint = new Endpoint({ url, model: settings.model, apiKey });
  return {
    annotator: endpointAnnotator(endpoint),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** One line for each document. The end of the input ends the work; what was rated is kept. */
function askPerson({ output, stdin, signal }: Context): { annotator: Annotator } & AsyncDisposable {
  const terminal = createInterface({
    input: stdin,
    ...(stdin.isTTY === true ? { output: process.stderr } : {}),
  });
  signal.addEventListener("abort", () => terminal.close(), { once: true });
  const lines = terminal[Symbol.asyncIterator]();
  const annotator = personAnnotator(async (shown) => {
    output.note(visibleText(shown));
    terminal.setPrompt(`${LOWEST} to ${HIGHEST}, s to pass over: `);
    if (stdin.isTTY === true) terminal.prompt();
    const line = (await lines.next()) as IteratorResult<string, undefined>;
    if (line.done === true)
      throw new LabError("interrupted", "nobody answers any more; what was rated is kept");
    return line.value;
  });
  return {
    annotator,
    [Symbol.asyncDispose]: () => {
      terminal.close();
      return Promise.resolve();
    },
  };
}
