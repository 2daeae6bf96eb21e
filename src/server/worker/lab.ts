/** Captures, and texts that are generated with edits, in the process of a model. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Prompt } from "../../generate/language-model.ts";
import { saveRun, type Run } from "../../interpret/index.ts";
import type { SamplingOptions } from "../../generate/sampling-options.ts";
import type { captureRequest, generateRequest, LabArguments } from "../lab/schemas.ts";
import type { WrittenToken } from "./complete.ts";
import type { AdapterFiles, ModelHost } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import { assertFits, tokensOf, type Asked } from "./lab-common.ts";
import { tokenText, type TokenText } from "./token-text.ts";

/** The bytes of a `.lab.safetensors` file. */
export async function labCapture(
  {
    prompts,
    capture,
    edits,
    metric,
    gradients,
    adapter,
  }: Asked<LabArguments<typeof captureRequest>>,
  { host, signal }: OperationContext,
): Promise<{ file: Uint8Array }> {
  const { model } = host;
  const { sizeBytes } = model.plan(prompts, { capture: [...capture, ...gradients.map(unnamed)] });
  assertFits(sizeBytes, {
    what: "captures",
    hint: "Capture fewer layers, positions or heads, or reduce them (norm, mean, topK, project).",
  });
  const run = await model.run(prompts, {
    ...{ capture, edits, gradients, adapter: await host.adapterName(adapter), signal },
    ...(metric === undefined ? {} : { metric }),
  });
  return { file: await fileOf(host, run, signal) };
}

/** Gradients have the shapes of the values; their names may be those of captures. */
function unnamed(capture: LabArguments<typeof captureRequest>["capture"][number], i: number) {
  return typeof capture === "string"
    ? { at: capture, as: `gradient ${i}` }
    : { ...capture, as: `gradient ${i}` };
}

/** The same bytes that `saveRun` writes. */
async function fileOf({ model }: ModelHost, run: Run, signal: AbortSignal): Promise<Uint8Array> {
  const folder = await mkdtemp(path.join(tmpdir(), "philab-capture-"));
  try {
    const file = path.join(folder, "run.lab.safetensors");
    await saveRun(model, run, file, { signal });
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface GenerateArguments extends Pick<LabArguments<typeof generateRequest>, "edits"> {
  prompt: Prompt;
  sampling: SamplingOptions;
  adapter: AdapterFiles | null;
}

/** A text with edits has a cache of its own: nothing of it reaches the batch. */
export async function labGenerate(
  { prompt, edits, sampling, adapter }: GenerateArguments,
  {
    host,
    signal,
    emit,
  }: OperationContext<{ text: string; token: WrittenToken; finishReason: string | null }>,
): Promise<{ prompt: TokenText[] }> {
  const { model } = host;
  const tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
  const options = { ...sampling, edits, adapter: await host.adapterName(adapter), signal };
  for await (const { id, text, logprob, top, finishReason = null } of model.generate(
    prompt,
    options,
  )) {
    const likely = top.map((one) => ({ ...tokenText(tokenizer, one.id), logprob: one.logprob }));
    emit({ text, token: { ...tokenText(tokenizer, id), logprob, top: likely }, finishReason });
  }
  return { prompt: tokensOf(host, model.promptIds(prompt)) };
}
