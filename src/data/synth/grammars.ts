/** Parts of a corpus from philab's own grammars. */
import { toJson, type JsonObject } from "../../base/json.ts";
import { sha256 } from "../../base/hash.ts";
import { Random } from "../../base/random.ts";
import type { PythonSandbox } from "../../sandbox/types.ts";
import type { PartMaker } from "./corpus.ts";
import { HeldOut, type HeldOutTask } from "./held-out.ts";
import { synthesize, type SynthKind } from "./synthesize.ts";

const PART_CHARACTERS = 4_000_000;

export interface GrammarOptions {
  seed: number;
  characters: number;
  shares: Readonly<Partial<Record<SynthKind, number>>>;
  heldOut: readonly HeldOutTask[];
  sandbox: PythonSandbox;
  signal: AbortSignal;
}

/** Each part has a random stream of its own, so that it does not matter which process makes it. */
export function grammarParts(options: GrammarOptions): PartMaker {
  const { seed, characters, shares, heldOut, sandbox, signal } = options;
  const avoided = new HeldOut(heldOut);
  const parts = Math.ceil(characters / PART_CHARACTERS);
  const described: JsonObject = {
    ...{ from: "grammars", seed, characters, shares },
    ...(heldOut.length === 0 ? {} : { heldOut: sha256(toJson(heldOut)) }),
  };
  return {
    options: described,
    parts,
    async *make(part, refuse) {
      const made = synthesize({
        ...{ shares, sandbox, signal, heldOut: avoided },
        random: new Random(seed).split(part),
        characters: Math.min(PART_CHARACTERS, characters - part * PART_CHARACTERS),
      });
      let number = 0;
      let next = await made.next();
      for (; next.done !== true; next = await made.next()) {
        const { text, kind, topic } = next.value;
        const isCode = text.startsWith("def ");
        yield {
          id: `synth/${seed}/${part}/${number++}`,
          text,
          source: `synth/${kind}`,
          licence: "MIT",
          language: isCode ? "python" : "en",
          scores: {},
          metadata: topic === undefined ? {} : { topic },
        };
      }
      const { heldOut: avoidedCount, refused } = next.value;
      for (let i = 0; i < avoidedCount; i++) refuse("held out");
      for (let i = 0; i < refused.count; i++) refuse("solutions disagree");
    },
  };
}
