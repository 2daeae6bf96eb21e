/** From files to tokenised data, with an account of everything that was not taken as it stands. */
import { setImmediate as afterEvents } from "node:timers/promises";
import { throwIfInterrupted } from "../../base/atomic.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { Quarantine, RowProblem, type BadRowReport } from "./bad-rows.ts";
import { Collector, type CollectedReport } from "./collect.ts";
import type { Dataset } from "./dataset.ts";
import type { FormOptions } from "./forms.ts";
import type { Overflow } from "./overflow.ts";
import { readRows } from "./rows.ts";
import { findDataFiles } from "./sources.ts";
import type { TemplateOptions } from "./template.ts";

export interface LoadOptions extends FormOptions, Omit<TemplateOptions, "tokenizer"> {
  tokenizer: Tokenizer;
  /** T: the tokens of a sequence at most. */
  length: number;
  /** What happens to longer examples. Default `error`. */
  onOverflow?: Overflow | undefined;
  /** Whether documents may have any length, since they are packed to run on from one sequence into the next. */
  anyLength?: boolean | undefined;
  /** Whether rows that cannot be used are put aside and counted. Default false: the first is an error. */
  skipBadRows?: boolean | undefined;
  /** A file for the rows that are put aside; it appears with the first of them. */
  quarantineFile?: string | undefined;
  /** Examples at most. */
  limit?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface LoadProgress {
  /** Read so far of the files' `totalBytes`. */
  bytes: number;
  totalBytes: number;
  examples: number;
}

export interface DataReport extends CollectedReport {
  files: readonly string[];
  /** Files of the given directories that are no data. */
  ignoredFiles: readonly string[];
  badRows: BadRowReport;
  /** Whether rows were left unread because of `limit`. */
  limited: boolean;
}

/** The event loop (Ctrl-C, a server's other requests) gets its turn this often. */
const BREATH_MS = 50;

/**
 * Reads and tokenises data. Examples that the tokenizer makes longer than `length` are treated as `onOverflow` says.
 *
 * @throws LabError `bad_input` for a row that cannot be used (file and line), columns of no known form, no examples at
 *   all, or pairs mixed with other examples; `too_long`; what reading files throws; `interrupted`
 */
export async function loadData(
  paths: readonly string[],
  options: LoadOptions,
): Promise<{ dataset: Dataset; report: DataReport }> {
  const { limit = Infinity, signal, onProgress } = options;
  const { files, ignored } = await findDataFiles(paths);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const quarantine = new Quarantine({
    skip: options.skipBadRows ?? false,
    file: options.quarantineFile,
  });
  const collector = new Collector(options);
  let limited = false;
  let filesBytes = 0;
  let breathMs = performance.now();
  try {
    reading: for (const file of files) {
      const onBytes = (bytes: number): void => {
        onProgress?.({ bytes: filesBytes + bytes, totalBytes, examples: collector.examples });
      };
      for await (const row of readRows(file, { ...options, signal, onBytes })) {
        limited = collector.examples >= limit;
        if (limited) break reading;
        try {
          collector.add(row);
        } catch (error) {
          if (!(error instanceof RowProblem)) throw error;
          const { file: name, line, text } = row;
          await quarantine.add({ file: name, line, problem: error.message }, text);
        }
        if (performance.now() - breathMs < BREATH_MS) continue;
        await afterEvents();
        throwIfInterrupted(signal);
        breathMs = performance.now();
      }
      filesBytes += file.sizeBytes;
    }
  } finally {
    await quarantine.close();
  }
  const { dataset, report } = collector.finish();
  return {
    dataset,
    report: {
      files: files.map(({ path }) => path),
      ignoredFiles: ignored,
      badRows: quarantine.report,
      limited,
      ...report,
    },
  };
}
