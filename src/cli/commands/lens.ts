/** `philab lens`: what the model would say next, layer by layer. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatPercent, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import { fitTunedLens, logitLens, type LensCell, type TunedLens } from "../../interpret/index.ts";
import { lensPage } from "../../interpret/pages/lens-page.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";
import { ANSWER_OPTIONS, answerOf, pageFacts, promptOf, writePage } from "../inspect.ts";
import { openModel, provenance } from "../open-model.ts";
import type { LanguageModel } from "../../generate/language-model.ts";

export const command = defineCommand({
  description:
    "The stream before every block, read by the head as if it were the last: the logit lens. With --tuned, a text file is read first and an affine map is fitted for each layer, so that it says what the last layer says: the tuned lens. The table shows the last position; the page all of them.",
  arguments: { prompt: z.string().optional().describe("the text to look into") },
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "tokens", "position"),
    answer: ANSWER_OPTIONS.answer,
    top: z.int().min(1).max(50).default(5).describe("likeliest tokens of each layer"),
    tuned: z
      .string()
      .min(1)
      .optional()
      .describe("a text file to fit a tuned lens on")
      .meta({ placeholder: "file" }),
    steps: z.int().min(1).default(200).describe("steps of fitting, for each layer"),
    ...flags("seed", "out"),
  },
  defaults: { mode: "reference" },
  examples: [
    {
      command:
        'philab lens "When Mary and John went to the store, John gave a book to" --answer " Mary" --out lens.html',
      does: "where the answer appears, as a page",
    },
  ],
  async run(context) {
    const { options, settings, output, signal, commandLine } = context;
    const prompt = promptOf(context);
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    const asked = {
      top: options.top,
      signal,
      ...(options.position === undefined ? {} : { positions: options.position }),
      ...(options.answer === undefined ? {} : { answer: answerOf(options.answer, prompt) }),
    };
    const lens = await logitLens(model, prompt, asked);
    const fitted =
      options.tuned === undefined ? undefined : await fit(context, model, options.tuned);
    const tuned =
      fitted && (await logitLens(model, prompt, { ...asked, translators: fitted.translators }));
    const written = await writePage(context, options.out, () =>
      lensPage(
        {
          title: "What each layer would say",
          facts: pageFacts(opened, commandLine),
        },
        { model, lens, tuned },
      ),
    );
    const last = lens.positions.length - 1;
    const shown = tuned ?? lens;
    output.result(
      {
        ...provenance(opened, commandLine),
        seed: settings.seed,
        ids: lens.ids,
        positions: lens.positions,
        layers: lens.layers,
        answer: lens.answer ?? null,
        logitLens: asJson(lens.cells),
        ...(tuned === undefined || fitted === undefined
          ? {}
          : {
              tunedLens: asJson(tuned.cells),
              heldOutKl: { logitLens: fitted.before, tunedLens: fitted.after },
            }),
        ...written,
      },
      () =>
        formatTable(
          [
            { title: "before block" },
            { title: "likeliest next tokens" },
            { title: "KL", align: "right" },
            ...(lens.answer === undefined ? [] : [{ title: "answer", align: "right" as const }]),
          ],
          shown.layers.map((layer, i) => {
            const cell = shown.cells[i]?.[last] as LensCell;
            return [
              layer,
              cell.top
                .map(
                  ({ text, probability }) =>
                    `${visibleLine(JSON.stringify(text))} ${formatPercent(probability, 0)}`,
                )
                .join("  "),
              formatNumber(cell.divergence, 3),
              ...(lens.answer === undefined ? [] : [formatPercent(cell.probability ?? 0)]),
            ];
          }),
        ),
    );
  },
});

const MAX_FIT_TOKENS = 256;

async function fit(
  {
    options,
    settings,
    output,
    signal,
    cwd,
  }: Pick<CommandContext, "settings" | "output" | "signal" | "cwd"> & {
    options: { steps: number };
  },
  model: LanguageModel,
  file: string,
): Promise<TunedLens> {
  const text = await readFile(path.resolve(cwd, file), "utf8").catch((cause: unknown) => {
    throw new LabError("not_found", `${file} cannot be read`, { cause });
  });
  const ids = model.tokenizer.promptIds(text);
  const length = Math.min(MAX_FIT_TOKENS, model.contextLength);
  const prompts = Array.from({ length: Math.ceil(ids.length / length) }, (_, i) =>
    ids.slice(i * length, (i + 1) * length),
  );
  using progress = output.progress({ label: "fit", unit: "steps" });
  return fitTunedLens(model, prompts, {
    steps: options.steps,
    seed: settings.seed,
    signal,
    onProgress: (done, total) => {
      progress.update(done, { total });
    },
  });
}

function asJson(cells: readonly (readonly LensCell[])[]) {
  return cells.map((row) =>
    row.map(({ top, ...cell }) => ({ ...cell, top: top.map((t) => ({ ...t })) })),
  );
}
