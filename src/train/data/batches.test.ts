import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IGNORED } from "../../tensor/targets.ts";
import { BatchStream, type Batch, type BatchOptions } from "./batches.ts";
import { Dataset, holdOut, type DatasetKind } from "./dataset.ts";
import { attentionMask } from "./mask.ts";
import { PACKINGS, type Packing } from "./packing.ts";
import { TokenStore } from "./token-store.ts";

const END = 1;

interface Sequence {
  ids: number[];
  learned: number[];
}

function dataset(
  sequences: readonly Sequence[],
  { length = 8, kind = "text" }: { length?: number; kind?: DatasetKind } = {},
): Dataset {
  const store = new TokenStore(1000);
  for (const { ids, learned } of sequences) store.add(ids, learned);
  const items = kind === "pairs" ? sequences.length / 2 : sequences.length;
  return new Dataset({
    kind,
    store,
    length,
    examples: Uint32Array.from({ length: items }, (_, i) => i),
  });
}

/** Documents of tokens that occur nowhere else, so that each can be recognised. */
function documents(lengths: readonly number[], learnedFrom: readonly number[] = []): Sequence[] {
  let next = 10;
  return lengths.map((length, i) => ({
    ids: Array.from({ length }, (_, at) => (at === length - 1 ? END : next++)),
    learned: Array.from({ length }, (_, at) => Number(at >= (learnedFrom[i] ?? 0))),
  }));
}

const all = (stream: BatchStream): Batch[] => [...stream];

/** Rows of one of a batch's lists. */
function rows(batch: Batch, list: "ids" | "targets" | "positions" | "documents"): number[][] {
  return Array.from({ length: batch.sequences }, (_, row) => [
    ...batch[list].subarray(row * batch.length, (row + 1) * batch.length),
  ]);
}

const T = 8;
const lengths = fc.array(fc.integer({ min: 2, max: T }), { minLength: 1, maxLength: 20 });
const anyOptions = fc.record({
  batchSize: fc.integer({ min: 1, max: 4 }),
  packing: fc.constantFrom(...PACKINGS),
  attendAcross: fc.boolean(),
  shuffle: fc.boolean(),
  seed: fc.nat(5),
  epochs: fc.integer({ min: 1, max: 3 }),
  lastBatch: fc.constantFrom("pad", "short"),
  lengthMultiple: fc.constantFrom(1, 3, 8),
} as const);

describe("an epoch", () => {
  test("has every learned token as a target once, after the token before it", () => {
    fc.assert(
      fc.property(lengths, anyOptions, fc.array(fc.nat(6)), (lengths, options, from) => {
        const answers = options.packing !== "wrapped";
        const sequences = documents(
          lengths,
          answers ? lengths.map((length, i) => Math.min(from[i] ?? 0, length - 1)) : [],
        );
        const kind = answers ? "answers" : "text";
        const stream = new BatchStream(dataset(sequences, { kind }), { ...options, epochs: 1 });
        const seen: string[] = [];
        for (const batch of all(stream))
          batch.targets.forEach((target, i) => {
            if (target !== IGNORED) seen.push(`${batch.ids[i]} ${target}`);
          });
        const within = sequences.flatMap(({ ids, learned }) =>
          ids.slice(1).flatMap((id, i) => (learned[i + 1] ? [`${ids[i]} ${id}`] : [])),
        );
        // Where sequences see each other, an end token may be asked for the next one's first token.
        const starts = new Set(sequences.map(({ ids }) => `${END} ${ids[0]}`));
        const across = seen.filter((pair) => starts.has(pair));
        expect(seen.filter((pair) => !starts.has(pair)).sort()).toEqual(within.sort());
        if (!options.attendAcross || options.packing === "none") expect(across).toEqual([]);
      }),
    );
  });

  test("counts its tokens and targets, and pads with tokens that count nowhere", () => {
    fc.assert(
      fc.property(lengths, anyOptions, (lengths, options) => {
        const stream = new BatchStream(dataset(documents(lengths)), options);
        for (const batch of all(stream)) {
          const padding = batch.documents.filter((document) => document < 0);
          expect(batch.tokens).toBe(batch.ids.length - padding.length);
          expect(batch.learned).toBe(batch.targets.filter((id) => id !== IGNORED).length);
          expect(batch.learned).toBeGreaterThan(0);
          const isPadding = (_: number, i: number): boolean => batch.documents[i]! < 0;
          expect(batch.ids.filter(isPadding)).toEqual(padding.fill(0));
          expect(batch.positions.filter(isPadding)).toEqual(padding);
          expect(batch.targets.filter(isPadding)).toEqual(padding.fill(IGNORED));
        }
      }),
    );
  });

  test("has positions that run within a sequence, or within the row", () => {
    fc.assert(
      fc.property(lengths, anyOptions, (lengths, options) => {
        for (const batch of all(new BatchStream(dataset(documents(lengths)), options)))
          rows(batch, "documents").forEach((row, r) => {
            const expected = row.map((document, i) => {
              if (document < 0) return 0;
              return options.attendAcross ? i : i - row.indexOf(document);
            });
            expect(rows(batch, "positions")[r]).toEqual(expected);
          });
      }),
    );
  });
});

describe("a stream that is put where another stood", () => {
  test("gives the same remaining batches, wherever it is cut, in any epoch", () => {
    fc.assert(
      fc.property(lengths, anyOptions, fc.nat(40), (lengths, options, cut) => {
        const data = (): Dataset => dataset(documents(lengths));
        const whole = new BatchStream(data(), options);
        const batches = all(whole);
        expect(batches).toHaveLength(whole.totalBatches);

        const first = new BatchStream(data(), options);
        const before = Array.from({ length: Math.min(cut, batches.length) }, () => first.next());
        expect(before).toEqual(batches.slice(0, before.length));
        const position = JSON.parse(JSON.stringify(first.state())) as ReturnType<
          BatchStream["state"]
        >;
        const second = new BatchStream(data(), options);
        second.restore(position);
        expect(all(second)).toEqual(batches.slice(before.length));
      }),
    );
  });

  test("refuses a position in other data, or of other options; more epochs are no other options", () => {
    const data = dataset(documents([3, 4, 5]));
    const options = { batchSize: 1, seed: 1 };
    const position = new BatchStream(data, options).state();
    for (const [other, changed] of [
      [dataset(documents([3, 5, 4])), options],
      [data, { ...options, seed: 2 }],
      [data, { ...options, batchSize: 2 }],
    ] as const)
      expect(() => new BatchStream(other, changed).restore(position)).toThrow(/is not what it was/);
    expect(() => new BatchStream(data, { ...options, epochs: 5 }).restore(position)).not.toThrow();
  });
});

describe("the order", () => {
  const texts = dataset(documents(Array<number>(40).fill(3)));
  const order = (options: Partial<BatchOptions>): number[] =>
    all(new BatchStream(texts, { batchSize: 4, ...options })).flatMap((batch) =>
      rows(batch, "ids").map(([id = 0]) => id),
    );

  test("is the data's own without shuffling", () => {
    expect(order({ shuffle: false })).toEqual(Array.from({ length: 40 }, (_, i) => 10 + 2 * i));
  });

  test("follows from the seed, and is another one in each epoch", () => {
    const twice = order({ epochs: 2, seed: 7 });
    expect(order({ epochs: 2, seed: 7 })).toEqual(twice);
    expect(order({ seed: 8 })).not.toEqual(order({ seed: 7 }));
    const [first, second] = [twice.slice(0, 40), twice.slice(40)];
    expect(second).not.toEqual(first);
    expect([...second].sort()).toEqual([...first].sort());
  });
});

describe("packing", () => {
  const stream = (packing: Packing, options: Partial<BatchOptions> = {}): BatchStream =>
    new BatchStream(dataset(documents([3, 6, 5])), {
      batchSize: 8,
      shuffle: false,
      lastBatch: "short",
      packing,
      ...options,
    });
  const onlyBatch = (given: BatchStream): Batch => all(given)[0]!;

  test("none: a row for each, as long as the longest needs", () => {
    const batch = onlyBatch(stream("none", { lengthMultiple: 2 }));
    expect(rows(batch, "ids")).toEqual([
      [10, 11, END, 0, 0, 0],
      [12, 13, 14, 15, 16, END],
      [17, 18, 19, 20, END, 0],
    ]);
    expect(rows(batch, "targets")[0]).toEqual([11, END, IGNORED, IGNORED, IGNORED, IGNORED]);
  });

  test("bfd: fewest rows; ordered: neighbours together", () => {
    expect(rows(onlyBatch(stream("bfd")), "documents")).toEqual([
      [0, 0, 0, 0, 0, 0, -1, -1],
      [0, 0, 0, 0, 0, 1, 1, 1],
    ]);
    expect(rows(onlyBatch(stream("ordered")), "ids").map(([id]) => id)).toEqual([10, 12, 17]);
  });

  test("wrapped: full rows; what is cut goes on in the next row", () => {
    const batch = onlyBatch(stream("wrapped"));
    expect(rows(batch, "ids")).toEqual([
      [10, 11, END, 12, 13, 14, 15, 16],
      [END, 17, 18, 19, 20, 0, 0, 0],
    ]);
    expect(rows(batch, "targets")).toEqual([
      [11, END, IGNORED, 13, 14, 15, 16, END],
      [IGNORED, 18, 19, 20, END, IGNORED, IGNORED, IGNORED],
    ]);
    expect(rows(batch, "positions")[1]).toEqual([0, 0, 1, 2, 3, 0, 0, 0]);
  });

  test("with attention across, an end token predicts the next beginning and positions run on", () => {
    const batch = onlyBatch(stream("wrapped", { attendAcross: true }));
    expect(rows(batch, "targets")[0]).toEqual([11, END, 12, 13, 14, 15, 16, END]);
    expect(rows(batch, "targets")[1]!.slice(0, 2)).toEqual([17, 18]);
    expect(rows(batch, "positions")[0]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe("the last batch of an epoch", () => {
  const batches = (lastBatch: "pad" | "drop" | "short"): Batch[] =>
    all(new BatchStream(dataset(documents([3, 3, 3, 3, 3])), { batchSize: 2, lastBatch }));

  test("is filled up, left out, or short, as asked", () => {
    expect(batches("pad").map(({ sequences, tokens }) => [sequences, tokens])).toEqual([
      [2, 6],
      [2, 6],
      [2, 3],
    ]);
    expect(batches("drop").map(({ sequences }) => sequences)).toEqual([2, 2]);
    expect(batches("short").map(({ sequences }) => sequences)).toEqual([2, 2, 1]);
  });

  test("must not be the only one that is left out", () => {
    const data = dataset(documents([3]));
    expect(() => new BatchStream(data, { batchSize: 2, lastBatch: "drop" })).toThrow(
      "the data makes 1 sequences, fewer than a batch of 2",
    );
  });
});

describe("pairs", () => {
  const pairs = dataset(documents([3, 4, 5, 6, 7, 8], [1, 1, 2, 2, 3, 3]), { kind: "pairs" });

  test("stand in two halves: the chosen answers, then the rejected ones in the same order", () => {
    const [first, second] = all(
      new BatchStream(pairs, { batchSize: 2, shuffle: false, lengthMultiple: 1 }),
    );
    expect(first?.sequences).toBe(4);
    expect(rows(first!, "documents").map((row) => row.filter((d) => d === 0).length)).toEqual([
      3, 5, 4, 6,
    ]);
    expect(rows(second!, "documents").map((row) => row.filter((d) => d === 0).length)).toEqual([
      7, 0, 8, 0,
    ]);
    const short = new BatchStream(pairs, { batchSize: 2, shuffle: false, lastBatch: "short" });
    expect(all(short)[1]?.sequences).toBe(2);
  });

  test("cannot be packed", () => {
    expect(() => new BatchStream(pairs, { batchSize: 2, packing: "bfd" })).toThrow(
      /cannot be packed/,
    );
  });
});

describe("options that do not fit", () => {
  test("answers are not wrapped", () => {
    const answers = dataset(documents([3, 3], [1, 1]), { kind: "answers" });
    expect(() => new BatchStream(answers, { batchSize: 1, packing: "wrapped" })).toThrow(
      /would lose their prompts/,
    );
  });

  test.each([
    { batchSize: 0 },
    { batchSize: 1.5 },
    { batchSize: 1, epochs: 0 },
    { batchSize: 1, lengthMultiple: 0 },
  ])("%j is refused", (options) => {
    expect(() => new BatchStream(dataset(documents([3])), options)).toThrow(
      expect.objectContaining({ code: "bad_input" }) as Error,
    );
  });
});

describe("the mask", () => {
  const visible = (mask: Float32Array | Uint16Array, length: number): string[] =>
    Array.from({ length: mask.length / length }, (_, i) =>
      [...mask.subarray(i * length, (i + 1) * length)]
        .map((value) => (value === 0 ? "x" : "."))
        .join(""),
    );

  test("keeps sequences of a row apart, and lets padding see padding", () => {
    const batch = { sequences: 1, length: 6, documents: Int32Array.of(0, 0, 1, 1, 1, -1) };
    expect(visible(attentionMask(batch, { perRow: true, dtype: "f32" }), 6)).toEqual([
      "x.....",
      "xx....",
      "..x...",
      "..xx..",
      "..xxx.",
      ".....x",
    ]);
  });

  test("is one triangle where each row is one sequence, in 16 bits too", () => {
    const batch = { sequences: 2, length: 3, documents: Int32Array.of(0, 0, 0, 0, -1, -1) };
    for (const dtype of ["f32", "f16"] as const)
      expect(visible(attentionMask(batch, { perRow: false, dtype }), 3)).toEqual([
        "x..",
        "xx.",
        "xxx",
      ]);
    expect(attentionMask(batch, { perRow: false, dtype: "f16" })[1]).toBe(0xfc00);
  });

  test("no token sees another sequence, and none sees nothing", () => {
    fc.assert(
      fc.property(lengths, anyOptions, (lengths, options) => {
        const stream = new BatchStream(dataset(documents(lengths)), options);
        for (const batch of all(stream)) {
          const mask = attentionMask(batch, { perRow: stream.masksRows, dtype: "f32" });
          const { length } = batch;
          const wrong = Array.from(batch.documents, (own, at) => {
            const row = Math.floor(at / length);
            const query = at - row * length;
            const line = ((stream.masksRows ? row : 0) * length + query) * length;
            return Array.from({ length }, (_, key) => {
              const seen = mask[line + key] === 0;
              const other = batch.documents[row * length + key]!;
              if (key >= query) return seen !== (key === query);
              return own >= 0 && seen !== (own === other || options.attendAcross);
            });
          });
          expect(wrong.flat()).not.toContain(true);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("holding out", () => {
  const data = dataset(documents(Array<number>(20).fill(3)));

  test("parts the data by the seed, in its order", () => {
    for (const size of [5, 0.25]) {
      const { train, held } = holdOut(data, { size, seed: 3 });
      expect([train.examples.length, held.examples.length]).toEqual([15, 5]);
      expect([...train.examples, ...held.examples].sort((a, b) => a - b)).toEqual([
        ...data.examples,
      ]);
      expect([...held.examples]).toEqual([...held.examples].sort((a, b) => a - b));
      expect(holdOut(data, { size, seed: 3 }).held.fingerprint()).toBe(held.fingerprint());
    }
    expect(holdOut(data, { size: 5, seed: 4 }).held.examples).not.toEqual(
      holdOut(data, { size: 5, seed: 3 }).held.examples,
    );
  });

  test.each([20, 0, 2.5, -1])("%d of 20 is refused", (size) => {
    expect(() => holdOut(data, { size, seed: 0 })).toThrow(/cannot be held out/);
  });
});

test("a store keeps ids and what is learned across its chunks", () => {
  const store = new TokenStore(1 << 17);
  const ids = Array.from({ length: 700_001 }, (_, i) => (i * 7919) % 100_003);
  const learned = ids.map((id) => (id % 3) & 1);
  store.add(ids, learned);
  store.add(ids, learned);
  expect([store.sequences, store.tokens, store.length(1)]).toEqual([2, 1_400_002, 700_001]);
  for (const at of [0, 1, 699_999, 700_001, 1_048_575, 1_048_576, 1_400_001])
    expect([store.id(at), store.isLearned(at)]).toEqual([
      ids[at % 700_001],
      learned[at % 700_001] === 1,
    ]);
});
