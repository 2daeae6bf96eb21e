/** The card beside a dictionary's files: what it is of, what it was made with, what it is worth. */
import { formatCount, formatNumber, formatPercent } from "../base/format.ts";
import type { Dictionary } from "./dictionary.ts";
import type { DictionaryMetrics } from "./evaluate.ts";
import { DICTIONARY_OPTIONS, type DictionaryArguments } from "./train-options.ts";

export function dictionaryCard(
  { kind, input, output, sizes, activation }: Dictionary,
  {
    model,
    metrics,
    options,
    dataSha256,
  }: {
    model: string;
    metrics: DictionaryMetrics;
    options: DictionaryArguments;
    dataSha256: string;
  },
): string {
  const what =
    kind === "sae" ? `Sparse autoencoder of ${output}` : `Transcoder from ${input} to ${output}`;
  return `# ${what} of ${model}

${formatCount(sizes.latents)} features (${activation.name}), trained by philab on ${formatCount(options.trainingTokens)} tokens. The files are SAELens'.

| on ${formatCount(metrics.tokens)} tokens that were held out | |
|---|---|
| features that fire for a token (l0) | ${formatNumber(metrics.l0)} |
| explained variance | ${formatNumber(metrics.explained_variance)} |
| of a PCA of that size | ${formatNumber(metrics.pca_explained_variance)} |
| cross-entropy recovered (ce_loss_score) | ${formatNumber(metrics.ce_loss_score)} |
| features that never fire | ${formatPercent(1 - metrics.frac_alive)} |

Tokens and their order have the SHA-256 ${dataSha256}. Made by

\`\`\`sh
${commandOf(model, options)}
\`\`\`
`;
}

/** What trains it again: what differs from the defaults, and files without the folders they lay in. */
function commandOf(model: string, { data, seed, ...options }: DictionaryArguments): string {
  const names = Object.keys(DICTIONARY_OPTIONS) as (keyof typeof DICTIONARY_OPTIONS)[];
  const files = data.map((file) => file.split(/[\\/]/).at(-1)).join(",");
  const given = names.flatMap((name) => {
    const value = options[name];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const isDefault = value === DICTIONARY_OPTIONS[name].safeParse(undefined).data;
    if (value === undefined || isDefault) return [];
    return typeof value === "boolean" ? [flag] : [`${flag} ${value}`];
  });
  const own = [`--model ${model}`, `--data ${files}`, ...given, `--seed ${seed}`];
  return `philab sae train ${own.join(" ")}`;
}
