/** `/v1/lab/*`: what happens inside a model. */
import { toJson } from "../../base/json.ts";
import { eventStream } from "../http/event-stream.ts";
import { defineRoute, EVENTS_TYPE, JSON_TYPE, type Route } from "../http/route.ts";
import { promptsOf, samplingOf } from "../openai/schemas.ts";
import { BINARY_TYPE, binaryAnswer, fileAnswer } from "./binary.ts";
import {
  attentionRequest,
  attributeRequest,
  captureRequest,
  doseRequest,
  generateRequest,
  headsRequest,
  lensRequest,
  patchRequest,
  vectorRequest,
} from "./schemas.ts";

const capture = defineRoute({
  method: "POST",
  path: "/v1/lab/capture",
  summary: "Read prompts and keep inner values; the answer is a .lab.safetensors file",
  body: captureRequest,
  answers: [BINARY_TYPE],
  async handle({ fleet, signal }, { model: name, prompts, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    const args = { ...body, prompts: promptsOf(prompts) as string[], adapter };
    const { file } = await model.call("labCapture", args, { signal });
    return fileAnswer(file);
  },
});

const lens = defineRoute({
  method: "POST",
  path: "/v1/lab/lens",
  summary: "What each layer would say next",
  body: lensRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labLens", { ...body, adapter }, { signal }));
  },
});

const attention = defineRoute({
  method: "POST",
  path: "/v1/lab/attention",
  summary: "Where heads look: patterns [heads, queries, keys] as f32 or u8 behind a JSON header",
  body: attentionRequest,
  answers: [BINARY_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    const args = { ...body, adapter };
    const { values, shape, ...metadata } = await model.call("labAttention", args, { signal });
    return binaryAnswer("pattern", { values, shape, metadata });
  },
});

const heads = defineRoute({
  method: "POST",
  path: "/v1/lab/heads",
  summary: "What kind of head each one is on a prompt",
  body: headsRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json({ heads: await model.call("labHeads", { ...body, adapter }, { signal }) });
  },
});

const attribute = defineRoute({
  method: "POST",
  path: "/v1/lab/attribute",
  summary: "What wrote an answer: its logit as a sum over heads, MLPs or neurons",
  body: attributeRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labAttribute", { ...body, adapter }, { signal }));
  },
});

const patch = defineRoute({
  method: "POST",
  path: "/v1/lab/patch",
  summary: "Put values of one run into another, place by place, and measure what comes back",
  body: patchRequest,
  answers: [JSON_TYPE, EVENTS_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    const args = { ...body, adapter };
    if (!body.stream) return json(await model.call("labPatch", args, { signal }));
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    return eventStream(
      async ({ send }) => {
        const result = await model.call("labPatch", args, { signal: both, onEvent: send });
        send({ result });
      },
      { last: "[DONE]", onCancel: () => stop.abort() },
    );
  },
});

const vector = defineRoute({
  method: "POST",
  path: "/v1/lab/vector",
  summary: "A direction from prompts of two kinds, to steer with",
  body: vectorRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labVector", { ...body, adapter }, { signal }));
  },
});

const dose = defineRoute({
  method: "POST",
  path: "/v1/lab/dose",
  summary: "What a direction does at each strength, beside random directions of equal length",
  body: doseRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, { model: name, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    return json(await model.call("labDose", { ...body, adapter }, { signal }));
  },
});

const generate = defineRoute({
  method: "POST",
  path: "/v1/lab/generate",
  summary: "Continue a prompt while inner values are changed; a stream of tokens",
  body: generateRequest,
  answers: [EVENTS_TYPE],
  async handle({ fleet, signal }, { model: name, prompt, edits, ...body }) {
    const { model, adapter } = await fleet.use(name ?? undefined);
    const sampling = samplingOf(body, { maxTokens: body.max_tokens, logprobs: body.logprobs });
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    return eventStream(
      async ({ send }) => {
        const args = { prompt, edits, sampling, adapter };
        const result = await model.call("labGenerate", args, { signal: both, onEvent: send });
        send({ result });
      },
      { last: "[DONE]", onCancel: () => stop.abort() },
    );
  },
});

/** Numbers that JSON has no words for come as texts. */
function json(value: unknown): Response {
  return new Response(toJson(value), { headers: { "content-type": JSON_TYPE } });
}

export const LAB_ROUTES: readonly Route[] = [
  ...[capture, lens, attention, heads, attribute, patch, vector, dose, generate],
];
