/** `philab sae list`: the dictionaries that have a name. */
import { formatCount, formatNumber, formatPercent, formatTable } from "../../base/format.ts";
import { visibleLine } from "../../base/terminal.ts";
import { listDictionaries } from "../../catalog/dictionaries.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  description:
    "The dictionaries that the other commands take by name: those that come with the bundled models, those in PHILAB_HOME/dictionaries, and what trainings made; what each is of, how many features it has, and what it was measured to be worth.",
  examples: [{ command: "philab sae list", does: "phi-nano's own, and yours" }],
  async run({ folders, output }) {
    const found = await listDictionaries(folders);
    output.result({ dictionaries: found.map((own) => ({ ...own, metrics: own.metrics })) }, () =>
      formatTable(
        [
          { title: "name" },
          { title: "of" },
          ...["features", "l0", "explained", "PCA", "CE recovered", "alive"].map(
            (title) => ({ title, align: "right" }) as const,
          ),
        ],
        found.map(({ name, output: hook, latents, metrics }) => {
          const of = (key: string): number => metrics?.[key] ?? NaN;
          return [
            ...[visibleLine(name), visibleLine(hook), formatCount(latents)],
            formatNumber(of("l0"), 3),
            ...["explained_variance", "pca_explained_variance", "ce_loss_score"].map((key) =>
              formatNumber(of(key), 3),
            ),
            formatPercent(of("frac_alive")),
          ];
        }),
      ),
    );
  },
});
