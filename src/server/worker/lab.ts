/** Looking inside, in the process of a model. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { Prompt } from "../../generate/language-model.ts";
import { answerToken, tokenName } from "../../interpret/answers.ts";
import {
  attentionPatterns,
  detectHeads,
  logitLens,
  patchSweep,
  saveRun,
  steeringVector,
  type HeadScores,
  type LogitLens,
  type Run,
} from "../../interpret/index.ts";
import type { SamplingOptions } from "../../generate/sampling-options.ts";
import type {
  attentionRequest,
  captureRequest,
  generateRequest,
  headsRequest,
  LabArguments,
  lensRequest,
  patchRequest,
  vectorRequest,
} from "../lab/schemas.ts";
import type { WrittenToken } from "./complete.ts";
import type { AdapterFiles, ModelHost } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import { tokenText, type TokenText } from "./token-text.ts";

type Asked<S> = S & { adapter: AdapterFiles | null };

/** What reads the model itself cannot read it under an adapter. */
function assertPlain(adapter: AdapterFiles | null): void {
  if (adapter === null) return;
  throw new LabError("unsupported", `this looks at a model without an adapter: ${adapter.name}`, {
    hint: "Capture works under adapters; or merge it: philab adapter merge.",
  });
}

/** What one answer may hold. */
const MAX_CAPTURE_BYTES = 512 * 2 ** 20;

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
  if (sizeBytes > MAX_CAPTURE_BYTES)
    throw new LabError(
      "bad_input",
      `the captures take ${formatBytes(sizeBytes)}; an answer holds ${formatBytes(MAX_CAPTURE_BYTES)}`,
      {
        hint: "Capture fewer layers, positions or heads, or reduce them (norm, mean, topK, project).",
      },
    );
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

export async function labLens(
  { prompt, adapter, ...options }: Asked<LabArguments<typeof lensRequest>>,
  { host, signal }: OperationContext,
): Promise<LogitLens & { tokens: TokenText[] }> {
  assertPlain(adapter);
  const { answer, top, positions } = options;
  const found = await logitLens(host.model, prompt, {
    ...{ answer, top, signal },
    ...(positions === undefined ? {} : { positions }),
  });
  return { ...found, tokens: tokensOf(host, found.ids) };
}

/** Patterns of all heads that are wanted, one after another: `[heads, T, T]`. */
export async function labAttention(
  { prompt, layers, heads, adapter }: Asked<LabArguments<typeof attentionRequest>>,
  { host, signal }: OperationContext,
): Promise<{
  tokens: TokenText[];
  heads: { layer: number; head: number }[];
  values: Float32Array;
}> {
  assertPlain(adapter);
  const length = host.model.promptIds(prompt).length;
  const { layers: all, heads: each } = host.model.config;
  const count = (layers?.length ?? all) * (heads?.length ?? each);
  const sizeBytes = 4 * count * length ** 2;
  if (sizeBytes > MAX_CAPTURE_BYTES)
    throw new LabError(
      "bad_input",
      `the patterns take ${formatBytes(sizeBytes)}; an answer holds ${formatBytes(MAX_CAPTURE_BYTES)}`,
      {
        hint: "Ask for some layers or heads, or for a shorter prompt.",
      },
    );
  const found = await attentionPatterns(host.model, prompt, {
    ...(layers === undefined ? {} : { layers }),
    ...(heads === undefined ? {} : { heads }),
    signal,
  });
  const values = new Float32Array(found.heads.length * length ** 2);
  found.heads.forEach(({ pattern }, i) => values.set(pattern, i * length ** 2));
  const places = found.heads.map(({ layer, head }) => ({ layer, head }));
  return { tokens: tokensOf(host, found.ids), heads: places, values };
}

export async function labHeads(
  { prompt, adapter }: Asked<LabArguments<typeof headsRequest>>,
  { host, signal }: OperationContext,
): Promise<HeadScores[]> {
  assertPlain(adapter);
  return detectHeads(host.model, prompt, { signal });
}

export interface PatchAnswer {
  site: string;
  axes: string[];
  shape: number[];
  layers: readonly number[];
  baselines: { clean: number; corrupted: number };
  values: number[];
  control: number[] | null;
  tokens: { clean: TokenText[]; corrupted: TokenText[] };
  answer: string;
  against: string;
}

export async function labPatch(
  args: Asked<LabArguments<typeof patchRequest>>,
  { host, signal, emit }: OperationContext<{ done: number; total: number }>,
): Promise<PatchAnswer> {
  assertPlain(args.adapter);
  const { model } = host;
  const {
    clean,
    corrupted,
    answer,
    against,
    site,
    over,
    direction,
    metric,
    layers,
    control,
    seed,
  } = args;
  const ids = { clean: [...model.promptIds(clean)], corrupted: [...model.promptIds(corrupted)] };
  const [right, wrong] = [answerToken(model, clean, answer), answerToken(model, clean, against)];
  const sweep = await patchSweep(model, [{ ...ids, right: [right], wrong: [wrong] }], {
    ...{ site, direction, metric, control, seed, signal },
    ...(over === undefined ? {} : { over }),
    ...(layers === undefined ? {} : { layers }),
    onProgress: (done, total) => emit({ done, total }),
  });
  const { axes, shape, baselines } = sweep;
  return {
    ...{ site, axes, shape, layers: sweep.layers, baselines, values: [...sweep.values] },
    control: sweep.control === undefined ? null : [...sweep.control],
    tokens: { clean: tokensOf(host, ids.clean), corrupted: tokensOf(host, ids.corrupted) },
    ...{ answer: tokenName(model, right), against: tokenName(model, wrong) },
  };
}

/** A direction that `labGenerate` can add, as an edit. */
export async function labVector(
  { positive, negative, layer, method, adapter }: Asked<LabArguments<typeof vectorRequest>>,
  { host, signal }: OperationContext,
): Promise<{ layer: number; at: string; values: number[]; norm: number; streamNorm: number }> {
  assertPlain(adapter);
  const { layers } = host.model.config;
  if (layer >= layers)
    throw new LabError("bad_input", `the model has layers 0…${layers - 1}, not ${layer}`);
  const found = await steeringVector(host.model, { positive, negative }, { layer, method, signal });
  const { values, norm, streamNorm } = found;
  return { layer, at: `blocks.${layer}.hook_resid_post`, values: [...values], norm, streamNorm };
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

function tokensOf({ model }: ModelHost, ids: readonly number[]): TokenText[] {
  const tokenizer = model.hasTokenizer ? model.tokenizer : undefined;
  return ids.map((id) => tokenText(tokenizer, id));
}
