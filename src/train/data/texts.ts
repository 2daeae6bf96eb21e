/** The plain texts in data files: what a tokenizer is made from, and what is measured without masks. */
import { Quarantine, RowProblem, type BadRowReport } from "./bad-rows.ts";
import type { FormOptions } from "./forms.ts";
import { readRows } from "./rows.ts";
import { findDataFiles } from "./sources.ts";
import { renderExample } from "./template.ts";

export interface TextOptions extends FormOptions {
  skipBadRows?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { bytes: number; totalBytes: number }) => void) | undefined;
}

export interface TextReport {
  files: readonly string[];
  ignoredFiles: readonly string[];
  badRows: BadRowReport;
}

/**
 * The texts of files and directories, one at a time: documents as they are, other examples as the model would be trained
 * on them (of a preference both answers). The generator returns what was left out. Throws as `loadData`.
 */
export async function* readTexts(
  paths: readonly string[],
  options: TextOptions = {},
): AsyncGenerator<string, TextReport, undefined> {
  const { files, ignored } = await findDataFiles(paths);
  const quarantine = new Quarantine({ skip: options.skipBadRows ?? false });
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let filesBytes = 0;
  for (const file of files) {
    const onBytes = (bytes: number): void => {
      options.onProgress?.({ bytes: filesBytes + bytes, totalBytes });
    };
    for await (const row of readRows(file, { ...options, onBytes })) {
      let texts: string[];
      try {
        texts = renderExample(row.read()).map((parts) => parts.map(({ text }) => text).join(""));
      } catch (error) {
        if (!(error instanceof RowProblem)) throw error;
        await quarantine.add({ file: row.file, line: row.line, problem: error.message }, row.text);
        continue;
      }
      yield* texts;
    }
    filesBytes += file.sizeBytes;
  }
  return {
    files: files.map(({ path }) => path),
    ignoredFiles: ignored,
    badRows: quarantine.report,
  };
}
