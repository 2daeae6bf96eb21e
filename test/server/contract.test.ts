/** What OpenAI's own client gets from the server. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { readFixture } from "../support/golden.ts";
import { startServer, type TestServer } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const golden =
  readFixture<{ prompt: string; ids: number[]; greedy_ids: number[] }[]>("phi-micro.json");
const MARY = "When Mary and John went to the store, John gave a book to";
const greedy = { model: "phi-micro", temperature: 0 } as const;

let server: TestServer;
let client: OpenAI;
let model: LanguageModel;
beforeAll(async () => {
  server = await startServer();
  client = server.client;
  model = await LanguageModel.open(bundled, { threads: 1 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

describe("completions", () => {
  it("are those that transformers makes, from texts and from ids, several prompts at once", async () => {
    const end = model.tokenizer.eosTokenId;
    const texts = golden.map(({ greedy_ids: ids }) =>
      model.tokenizer.decode(ids.filter((id) => id !== end)),
    );
    const options = { ...greedy, max_tokens: 32 };
    const fromText = await client.completions.create({
      ...options,
      prompt: golden.map(({ prompt }) => prompt),
    });
    expect(fromText.choices.map(({ text }) => text)).toEqual(texts);
    expect(fromText.choices.map(({ index }) => index)).toEqual(texts.map((_, i) => i));
    const fromIds = await client.completions.create({
      ...options,
      prompt: golden.map(({ ids }) => ids),
    });
    expect(fromIds.choices.map(({ text }) => text)).toEqual(texts);
    const one = await client.completions.create({ ...options, prompt: golden[0]?.ids ?? [] });
    expect(one.choices[0]?.text).toBe(texts[0]);
    expect(one).toMatchObject({
      object: "text_completion",
      model: "phi-micro",
      usage: {
        prompt_tokens: golden[0]?.ids.length,
        completion_tokens: golden[0]?.greedy_ids.length,
      },
    });
    expect(one.system_fingerprint).toMatch(/^philab-.*-fast-cpu-t1$/);
  });

  it("say the same streamed, and end with the usage where it is wanted", async () => {
    const options = { ...greedy, prompt: golden[1]?.prompt ?? "", max_tokens: 24, logprobs: 2 };
    const whole = await client.completions.create(options);
    const chunks: OpenAI.Completion[] = [];
    const stream = await client.completions.create({
      ...{ ...options, stream: true as const, stream_options: { include_usage: true } },
    });
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.pop();
    expect(last?.choices).toEqual([]);
    expect(last?.usage).toMatchObject({ completion_tokens: 24 });
    expect(chunks.map(({ choices }) => choices[0]?.text).join("")).toBe(whole.choices[0]?.text);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("length");
    const streamed = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.text_offset ?? []);
    expect(streamed).toEqual(whole.choices[0]?.logprobs?.text_offset);
  });

  it("begin with the prompt and its log-probabilities under echo, those of `score`", async () => {
    const prompt = `${MARY} Mary`;
    const { choices, usage } = await client.completions.create({
      ...{ ...greedy, prompt, max_tokens: 0, echo: true, logprobs: 3 },
    });
    const [choice] = choices;
    expect(choice?.text).toBe(prompt);
    const {
      tokens = [],
      token_logprobs = [],
      top_logprobs = [],
      text_offset = [],
    } = choice?.logprobs ?? {};
    expect(tokens.join("")).toBe(prompt);
    expect(text_offset.map((start, i) => prompt.startsWith(tokens[i] ?? "?", start))).not.toContain(
      false,
    );
    const [score] = await model.score(MARY, [" Mary"]);
    expect(token_logprobs.at(-1)).toBeCloseTo(score?.logprob ?? NaN, 4);
    expect(Object.keys(top_logprobs.at(-1) ?? {})).toHaveLength(3);
    expect(Math.max(...Object.values(top_logprobs.at(-1) ?? {}))).toBe(token_logprobs.at(-1));
    expect(usage).toMatchObject({ completion_tokens: 0 });
  });

  it("give null for the first token of ids, which nothing precedes, and score the token that follows", async () => {
    const ids = model.tokenizer.encode(MARY);
    const { choices } = await client.completions.create({
      ...{ ...greedy, prompt: ids, max_tokens: 1, echo: true, logprobs: 1 },
    });
    const { tokens = [], token_logprobs = [], top_logprobs = [] } = choices[0]?.logprobs ?? {};
    expect(tokens).toHaveLength(ids.length + 1);
    expect(token_logprobs[0]).toBeNull();
    expect(top_logprobs[0]).toBeNull();
    expect(token_logprobs.slice(1).every((value) => (value ?? 1) <= 0)).toBe(true);
  });

  it("end before a stop text, and say so", async () => {
    const prompt = golden[0]?.prompt ?? "";
    const full = await client.completions.create({ ...greedy, prompt, max_tokens: 32 });
    const text = full.choices[0]?.text ?? "";
    const stop = text.slice(8, 13);
    for (const given of [stop, ["never", stop]]) {
      const cut = await client.completions.create({
        ...greedy,
        prompt,
        max_tokens: 32,
        stop: given,
      });
      expect(cut.choices[0]).toMatchObject({
        text: text.slice(0, text.indexOf(stop)),
        finish_reason: "stop",
      });
    }
  });

  it("repeat under a seed, alone and beside others, and differ under another", async () => {
    const options = { model: "phi-micro", prompt: MARY, temperature: 1.3, max_tokens: 16 };
    const alone = await client.completions.create({ ...options, seed: 3, n: 3 });
    const texts = alone.choices.map(({ text }) => text);
    expect(new Set(texts).size).toBe(3);
    const [again, other] = await Promise.all([
      client.completions.create({ ...options, seed: 3, n: 3 }),
      client.completions.create({ ...options, seed: 4 }),
      client.completions.create({ ...options, prompt: "def f(x):" }),
    ]);
    expect(alone).toHaveProperty("deterministic");
    if ((alone as unknown as { deterministic: boolean }).deterministic)
      expect(again.choices.map(({ text }) => text)).toEqual(texts);
    expect(texts).not.toContain(other.choices[0]?.text);
  });

  it("keep the likeliest of `best_of`", async () => {
    const options = { model: "phi-micro", prompt: MARY, temperature: 1.5, max_tokens: 6, seed: 1 };
    const all = await client.completions.create({ ...options, n: 4, logprobs: 1 });
    const best = await client.completions.create({ ...options, n: 1, best_of: 4 });
    const mean = ({ logprobs }: OpenAI.CompletionChoice): number => {
      const values = logprobs?.token_logprobs ?? [];
      return values.reduce((a, b) => a + b, 0) / values.length;
    };
    const likeliest = all.choices.reduce((a, b) => (mean(b) > mean(a) ? b : a));
    expect(best.choices.map(({ text }) => text)).toEqual([likeliest.text]);
  });

  it("obey logit_bias, penalties and the narrowing options", async () => {
    const [comma = 0] = model.tokenizer.encode(",");
    const biased = await client.completions.create({
      ...{ ...greedy, prompt: MARY, max_tokens: 3, logit_bias: { [comma]: 100 } },
    });
    expect(biased.choices[0]?.text).toBe(",,,");
    const penalised = await client.completions.create({
      ...{
        ...greedy,
        prompt: MARY,
        max_tokens: 3,
        logit_bias: { [comma]: 15 },
        frequency_penalty: 2,
        presence_penalty: 2,
      },
    });
    expect(penalised.choices[0]?.text).not.toBe(biased.choices[0]?.text);
    const narrowed = await server.post("/v1/completions", {
      ...{ prompt: MARY, max_tokens: 8, temperature: 5, top_k: 1, seed: 1 },
    });
    const likeliest = await client.completions.create({ ...greedy, prompt: MARY, max_tokens: 8 });
    expect(await narrowed.json()).toMatchObject({
      choices: [{ text: likeliest.choices[0]?.text }],
    });
  });

  it("reuse what another request has read", async () => {
    const prompt = Array.from({ length: 300 }, (_, i) => 5 + ((i * 31) % 900));
    const ask = async () => client.completions.create({ ...greedy, prompt, max_tokens: 4 });
    const [first, second] = [await ask(), await ask()];
    expect(second.choices).toEqual(first.choices);
    // Whole blocks where a row's roundings depend on those beside it.
    const kept = (second as { deterministic?: boolean }).deterministic === true ? 299 : 256;
    expect(second.usage?.prompt_tokens_details?.cached_tokens).toBe(kept);
  });
});

describe("chat", () => {
  const messages = [{ role: "user" as const, content: "What is 3 + 4?" }];

  it("answers in the format of the card, streamed or not", async () => {
    const options = { ...greedy, messages, max_tokens: 8, prompt_format: "qa" };
    const whole = await client.chat.completions.create(options);
    expect(whole.choices[0]).toMatchObject({
      message: { role: "assistant", content: "7" },
      finish_reason: "stop",
    });
    expect(whole).toHaveProperty("prompt", "Instruct: What is 3 + 4?\nOutput:");
    const stream = await client.chat.completions.create({ ...options, stream: true });
    let text = "";
    const reasons: unknown[] = [];
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      reasons.push(choices[0]?.finish_reason);
    }
    expect(text).toBe("7");
    expect(reasons.filter(Boolean)).toEqual(["stop"]);
  });

  it("gives log-probabilities by token, and takes turns and parts of text", async () => {
    const { choices } = await client.chat.completions.create({
      ...{ ...greedy, max_completion_tokens: 3, logprobs: true, top_logprobs: 2, n: 2 },
      messages: [
        { role: "system", content: "A conversation." },
        { role: "user", content: [{ type: "text", text: "Hello" }] },
        { role: "assistant", content: "Hi" },
        ...messages,
      ],
    });
    expect(choices).toHaveLength(2);
    for (const { logprobs } of choices)
      for (const token of logprobs?.content ?? []) {
        expect(token.top_logprobs).toHaveLength(2);
        expect(token.top_logprobs[0]?.logprob).toBe(token.logprob);
        expect(Buffer.from(token.bytes ?? []).toString()).toBe(token.token);
      }
  });
});

describe("Open WebUI", () => {
  it("gets its list of models, streamed chats with usage, and titles", async () => {
    const headers = { authorization: "Bearer none", "x-openwebui-user-name": "a" };
    const listed = await fetch(`${server.url}/v1/models`, { headers });
    const { data } = (await listed.json()) as { data: { id: string }[] };
    expect(data[0]?.id).toBe("phi-micro");
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "What is 3 + 4?" },
    ];
    const streaming = { stream: true, stream_options: { include_usage: true }, max_tokens: 8 };
    const chat = { ...greedy, ...streaming, messages, stop: ["\n\n"], frequency_penalty: 0 };
    const stream = await server.post("/v1/chat/completions", chat, headers);
    expect(stream.headers.get("content-type")).toContain("text/event-stream");
    const events = (await stream.text()).split("\n\n").filter((event) => event.startsWith("data:"));
    expect(events.at(-1)).toBe("data: [DONE]");
    expect(events.at(-2)).toMatch(/"usage":\{"prompt_tokens":\d+,"completion_tokens":\d+/);
    const title = { ...greedy, messages: messages.slice(1), max_completion_tokens: 1000 };
    const answered = await server.post(
      "/v1/chat/completions",
      { ...title, stream: false },
      headers,
    );
    expect(answered.status).toBe(200);
    const { choices } = (await answered.json()) as { choices: { message: object }[] };
    expect(choices[0]?.message).toMatchObject({ role: "assistant" });
  });
});

describe("embeddings", () => {
  it("are vectors of length 1 that the client reads in both encodings", async () => {
    const input = ["a book", "the store", "a book"];
    const base64 = await client.embeddings.create({ model: "phi-micro", input });
    const floats = await client.embeddings.create({
      model: "phi-micro",
      input,
      encoding_format: "float",
    });
    const vectors = floats.data.map(({ embedding }) => embedding);
    for (const [i, { embedding }] of base64.data.entries())
      expect(embedding.map(Math.fround)).toEqual(vectors[i]?.map(Math.fround));
    expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
    expect(vectors[2]).toEqual(vectors[0]);
    expect(vectors[1]).not.toEqual(vectors[0]);
    const short = await client.embeddings.create({
      model: "phi-micro",
      input: "a book",
      dimensions: 8,
    });
    expect(short.data[0]?.embedding).toHaveLength(8);
  });
});

describe("models and tokens", () => {
  it("are listed with what their files say", async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(["phi-micro", "phi-nano"]);
    expect(data[0]).toMatchObject({ id: "phi-micro", meta: { n_ctx: 512, n_params: 2202528 } });
    expect(await client.models.retrieve("phi-micro")).toMatchObject({ id: "phi-micro" });
  });

  it("go from text to ids and back", async () => {
    const content = "naïve 🎈 text";
    const { tokens } = (await (await server.post("/tokenize", { content })).json()) as {
      tokens: number[];
    };
    expect(tokens).toEqual(model.tokenizer.encode(content));
    expect(await (await server.post("/detokenize", { tokens })).json()).toEqual({ content });
    const pieces = (await (
      await server.post("/tokenize", { content, with_pieces: true })
    ).json()) as {
      tokens: { id: number; piece: string | number[] }[];
    };
    const bytes = pieces.tokens.flatMap(({ piece }) => [...Buffer.from(piece as string)]);
    expect(Buffer.from(bytes).toString()).toBe(content);
  });
});

describe("errors", () => {
  it.each([
    [{ prompt: "x", max_tokens: -1 }, "max_tokens"],
    [{ prompt: "x", temperature: "hot" }, "temperature"],
    [{ prompt: [] }, "prompt"],
    [{ prompt: "x", max_tokns: 3 }, "max_tokns"],
    [{ prompt: "x", best_of: 1, n: 2 }, "best_of"],
    [{ prompt: "x", stop: "" }, "stop"],
  ])("name the field that is wrong: %j", async (body, param) => {
    const response = await server.post("/v1/completions", body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: "invalid_request_error", param },
    });
  });

  it("are the client's own classes", async () => {
    const ask = (more: object) => client.completions.create({ ...greedy, prompt: "x", ...more });
    await expect(ask({ model: "phi-macro" })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(ask({ model: "phi-macro" })).rejects.toThrow("Did you mean phi-micro?");
    await expect(ask({ prompt: [9999999] })).rejects.toThrow(OpenAI.BadRequestError);
    await expect(ask({ prompt: Array<number>(600).fill(5) })).rejects.toThrow("88 too many");
    await expect(ask({ prompt: Array<number>(600).fill(5), stream: true })).rejects.toThrow(
      "88 too many",
    );
    await expect(ask({ logit_bias: { 999999: 1 } })).rejects.toThrow(OpenAI.BadRequestError);
  });

  it("say what does not exist, and which methods do", async () => {
    expect((await fetch(`${server.url}/v2/completions`)).status).toBe(404);
    expect((await fetch(`${server.url}/v1/completions`)).status).toBe(405);
  });
});

it("describes itself: an OpenAPI document, health, counters", async () => {
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { requestBody?: object }>>;
  };
  expect(document.paths["/v1/completions"]?.["post"]?.requestBody).toMatchObject({
    content: { "application/json": { schema: { properties: { echo: {}, best_of: {} } } } },
  });
  expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: "ok" });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/philab_requests_total\{path="\/v1\/completions",status="200"\} \d+/);
  expect(metrics).toMatch(/philab_generated_tokens_total\{model="phi-micro"\} \d+/);
});
