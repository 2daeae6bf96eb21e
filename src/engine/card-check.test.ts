import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import { cardFault } from "./card-check.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "philab-cards-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A process in place of the trial. */
const node = (script: string): string[] => [process.execPath, "-e", script];
const abort = node(
  `console.error("CUDA error: the provided PTX was compiled with an unsupported toolchain.\\n  current device: 0"); process.abort()`,
);

describe("a graphics card", () => {
  it("that ends the process which tries it is named, with what the engine said and what to do", () => {
    const fault = cardFault(
      { kind: "cuda", description: "NVIDIA Old" },
      { command: abort, folder },
    );
    expect(fault).toMatchObject({
      code: "engine_failed",
      message:
        "NVIDIA Old cannot run the engine's code (error: the provided PTX was compiled with an unsupported toolchain.)",
    });
    expect(fault?.hint).toMatch(/driver.*--device cpu/);
  });

  it("that computes is tried once, and remembered", () => {
    const card = { kind: "cuda", description: "NVIDIA New" };
    expect(cardFault(card, { command: node(""), folder })).toBeUndefined();
    expect(cardFault(card, { command: abort, folder })).toBeUndefined();
  });
});
