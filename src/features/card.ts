/** The card beside a dictionary's files: what it is of, what it was made with, what it is worth. */
import { formatCount, formatNumber, formatPercent } from "../base/format.ts";
import type { Dictionary } from "./dictionary.ts";
import type { DictionaryMetrics } from "./evaluate.ts";
import type { DictionaryArguments } from "./train-options.ts";

export function dictionaryCard(
  { kind, input, output, sizes, activation }: Dictionary,
  {
    model,
    metrics,
    options,
  }: { model: string; metrics: DictionaryMetrics; options: DictionaryArguments },
): string {
  const what =
    kind === "sae" ? `Sparse autoencoder of ${output}` : `Transcoder from ${input} to ${output}`;
  return `# ${what} of ${model}

${formatCount(sizes.latents)} features (${activation.name}), trained by philab on ${formatCount(options.trainingTokens)} tokens of ${options.data.map((file) => file.split(/[\\/]/).at(-1)).join(", ")}. The files are SAELens'.

| on ${formatCount(metrics.tokens)} tokens that were held out | |
|---|---|
| features that fire for a token (l0) | ${formatNumber(metrics.l0)} |
| explained variance | ${formatNumber(metrics.explained_variance)} |
| of a PCA of that size | ${formatNumber(metrics.pca_explained_variance)} |
| cross-entropy recovered (ce_loss_score) | ${formatNumber(metrics.ce_loss_score)} |
| features that fire at all | ${formatPercent(metrics.frac_alive)} |
`;
}
