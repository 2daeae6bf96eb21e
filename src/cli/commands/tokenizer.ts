/** `philab tokenizer`: make one from text, and look into one. */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { formatBytes, formatCount, formatFacts, formatTable } from "../../base/format.ts";
import { expandHome } from "../../base/settings.ts";
import { visibleLine } from "../../base/terminal.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { tokenizerDataFromGguf } from "../../model/gguf-tokenizer.ts";
import { findModel } from "../../open.ts";
import {
  readTokenizerData,
  TOKEN_TYPE,
  tokenizerFiles,
  tokenizerFromGguf,
  type Tokenizer,
  type TokenizerData,
} from "../../tokenizer/index.ts";
import { tokenTypesOf } from "../../tokenizer/data.ts";
import { trainTokenizer } from "../../tokenizer/train.ts";
import { readTexts, type TextReport } from "../../train/data/texts.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";

export const train = defineCommand({
  description:
    "Byte-level byte pair encoding, as Phi's own tokenizer was made. Writes tokenizer.json and tokenizer_config.json, which philab and Hugging Face's tokenizers read.",
  arguments: {
    data: z
      .array(z.string().min(1))
      .min(1)
      .describe("files or directories: .txt, .md, .py, .jsonl, each also as .gz"),
  },
  options: {
    out: z
      .string()
      .min(1)
      .describe("the directory to write into")
      .meta({ short: "o", placeholder: "directory" }),
    vocabSize: z
      .int()
      .min(256)
      .default(8192)
      .describe("tokens in all: special ones, 256 bytes, merges")
      .meta({ placeholder: "count" }),
    minFrequency: z
      .int()
      .min(0)
      .default(2)
      .describe("how often a pair must occur to become a token")
      .meta({ placeholder: "count" }),
    specialTokens: z
      .array(z.string().min(1))
      .default(["<|endoftext|>"])
      .describe("the first is start and end token")
      .meta({ placeholder: "list" }),
    addBosToken: z.boolean().default(false).describe("begin prompts with the start token"),
    textColumn: z
      .string()
      .min(1)
      .optional()
      .describe("the column that holds the text, where it is not called text")
      .meta({ placeholder: "name" }),
    skipBadRows: z.boolean().default(false).describe("leave out and count rows that are wrong"),
    replace: z.boolean().default(false).describe("write over a tokenizer that is there"),
  },
  examples: [
    {
      command: "philab tokenizer train docs/ --vocab-size 2048 --out my-tokenizer",
      does: "learn 2,048 tokens from the texts of a directory",
    },
  ],
  async run({ args, options, output, signal, cwd }) {
    const out = path.resolve(cwd, expandHome(options.out));
    await requireFree(out, options.replace);
    const { vocabSize, minFrequency, textColumn } = options;
    const reading = output.progress({ label: "read", unit: "B" });
    const texts = readTexts(
      args.data.map((file) => path.resolve(cwd, expandHome(file))),
      {
        ...(textColumn === undefined ? {} : { form: "text", columns: { text: textColumn } }),
        skipBadRows: options.skipBadRows,
        signal,
        onProgress: ({ bytes, totalBytes }) => {
          reading.update(bytes, { total: totalBytes });
        },
      },
    );
    const read: { report?: TextReport } = {};
    async function* documents(): AsyncGenerator<string> {
      read.report = yield* texts;
      reading.finish();
    }
    const trained = await trainTokenizer(documents(), { ...options, signal }).finally(() => {
      reading[Symbol.dispose]();
    });
    await mkdir(out, { recursive: true });
    for (const [name, contents] of Object.entries(tokenizerFiles(trained.data)))
      await writeTextAtomic(path.join(out, name), `${JSON.stringify(contents, undefined, 2)}\n`);

    const { data, bytes, tokens } = trained;
    const { files = [], ignoredFiles = [], badRows } = read.report ?? {};
    if (data.tokens.length < vocabSize)
      output.warn(
        `${formatCount(data.tokens.length)} tokens instead of ${formatCount(vocabSize)}: no other pair occurs ${minFrequency} times (--min-frequency) in these texts`,
      );
    const firstBad = badRows?.first[0];
    if (badRows !== undefined && firstBad !== undefined)
      output.warn(
        `${formatCount(badRows.count)} ${badRows.count === 1 ? "row" : "rows"} left out, the first ${firstBad.file}:${firstBad.line}: ${firstBad.problem}`,
      );
    if (ignoredFiles.length > 0)
      output.warn(
        `not read, being no data: ${ignoredFiles[0]}${ignoredFiles.length > 1 ? ` and ${formatCount(ignoredFiles.length - 1)} more` : ""}`,
      );
    const result = {
      path: out,
      vocabSize: data.tokens.length,
      merges: data.merges.length,
      specialTokens: options.specialTokens,
      files,
      bytes,
      words: trained.words,
      differentWords: trained.differentWords,
      tokens,
      bytesPerToken: bytes / tokens,
      badRows: badRows?.count ?? 0,
    };
    output.result(result, () =>
      formatFacts([
        ["tokenizer", visibleLine(out)],
        [
          "tokens",
          `${formatCount(result.vocabSize)}, of them ${formatCount(result.merges)} merges`,
        ],
        ["learned from", `${formatBytes(bytes)}, ${formatCount(result.words)} words`],
        [
          "these are now",
          `${formatCount(tokens)} tokens, ${result.bytesPerToken.toFixed(2)} bytes each`,
        ],
      ]),
    );
  },
});

export const show = defineCommand({
  arguments: {
    directory: z
      .string()
      .min(1)
      .optional()
      .describe("a tokenizer's directory; the model's tokenizer where left out"),
  },
  options: {
    ...flags("model"),
    text: z
      .string()
      .min(1)
      .optional()
      .describe("a text to cut into its tokens")
      .meta({ placeholder: "text" }),
  },
  examples: [
    { command: "philab tokenizer show", does: "the bundled model's tokenizer" },
    {
      command: 'philab tokenizer show --text "def add(a, b):"',
      does: "how a text is cut into tokens",
    },
  ],
  async run(context) {
    const { options, output } = context;
    const { source, data } = await findTokenizer(context);
    const tokenizer = tokenizerFromGguf(data);
    const counts = countTypes(data, source);
    const { vocabSize, addBosToken } = tokenizer;
    const named = (id: number | undefined) =>
      id === undefined ? null : { id, text: tokenizer.tokenText(id) };
    const cut = options.text === undefined ? undefined : cutText(tokenizer, options.text);
    const result = {
      source,
      vocabSize,
      ...counts,
      merges: data.merges.length,
      bosToken: named(tokenizer.bosTokenId),
      eosToken: named(tokenizer.eosTokenId),
      addBosToken,
      longest: longestTokens(tokenizer, data),
      ...(cut === undefined ? {} : { text: cut }),
    };
    const name = (token: { id: number; text: string } | null): string =>
      token === null ? "none" : `${visibleToken(token.text)} (${token.id})`;
    output.result(result, () =>
      [
        formatFacts([
          ["tokenizer", visibleLine(source)],
          [
            "tokens",
            `${formatCount(vocabSize)}: ${formatCount(counts.ordinary)} ordinary, ${formatCount(counts.added)} added, ${formatCount(counts.special)} special`,
          ],
          ["merges", formatCount(data.merges.length)],
          ["start token", `${name(result.bosToken)}${addBosToken ? ", before every prompt" : ""}`],
          ["end token", name(result.eosToken)],
          ["longest words", result.longest.map(visibleToken).join("  ")],
        ]),
        ...(cut === undefined
          ? []
          : [
              "",
              formatTable(
                [{ title: "id", align: "right" }, { title: "token" }],
                cut.tokens.map(({ id, text }) => [String(id), visibleToken(text)]),
              ),
              `${formatCount(cut.tokens.length)} tokens, ${cut.bytesPerToken.toFixed(2)} bytes each`,
            ]),
      ].join("\n"),
    );
  },
});

/** Refuses a directory that holds a tokenizer, unless that is to be replaced; other files in it are left alone. */
async function requireFree(directory: string, replace: boolean): Promise<void> {
  const file = path.join(directory, "tokenizer.json");
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere && !replace)
    throw new LabError("bad_input", `${file} exists already`, {
      hint: "Choose another directory, or write over it with --replace.",
    });
}

async function findTokenizer({
  args,
  settings,
  folders,
  cwd,
}: Pick<CommandContext, "settings" | "folders" | "cwd"> & {
  args: { directory?: string | undefined };
}): Promise<{ source: string; data: TokenizerData }> {
  if (args.directory !== undefined) {
    const source = path.resolve(cwd, expandHome(args.directory));
    return { source, data: await readTokenizerData(source) };
  }
  const { kind, path: source } = await findModel(settings.model, { folders, cwd });
  if (kind === "directory") return { source, data: await readTokenizerData(source) };
  const checkpoint = await openCheckpoint(source);
  const data = checkpoint.format === "gguf" ? tokenizerDataFromGguf(checkpoint) : undefined;
  if (data === undefined) throw new LabError("unsupported", `${source} has no tokenizer`);
  return { source, data };
}

function countTypes(
  data: TokenizerData,
  source: string,
): { ordinary: number; added: number; special: number } {
  const types = tokenTypesOf(data, source);
  const count = (wanted: number): number => types.filter((type) => type === wanted).length;
  return {
    ordinary: count(TOKEN_TYPE.normal),
    added: count(TOKEN_TYPE.userDefined),
    special: count(TOKEN_TYPE.control),
  };
}

/** White space made visible, as in reports. */
function visibleToken(text: string): string {
  return visibleLine(text).replaceAll(" ", "·");
}

const LONGEST = 5;

/** The ordinary tokens of the most bytes that have a letter in them. */
function longestTokens(tokenizer: Tokenizer, { tokens }: TokenizerData): string[] {
  return tokens
    .slice(0, tokenizer.vocabSize)
    .map((token, id) => ({ text: tokenizer.tokenText(id), length: token.length, id }))
    .filter(({ text, id }) => /\p{L}/u.test(text) && id !== tokenizer.eosTokenId)
    .sort((a, b) => b.length - a.length)
    .slice(0, LONGEST)
    .map(({ text }) => text);
}

function cutText(
  tokenizer: Tokenizer,
  text: string,
): { tokens: { id: number; text: string }[]; bytesPerToken: number } {
  const tokens = tokenizer.encode(text).map((id) => ({ id, text: tokenizer.tokenText(id) }));
  return { tokens, bytesPerToken: Buffer.byteLength(text) / tokens.length };
}
