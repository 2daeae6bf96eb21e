/** Running exercises: a solution counts when a second one, written another way, agrees on every input. */
import type { PythonSandbox } from "../../sandbox/types.ts";
import type { Exercise } from "./exercise.ts";

export interface Verdict {
  /** An input and its output, as Python writes them, where one is short. */
  example?: { input: string; output: string };
  /** Both solutions do not agree, or one fails. */
  problem?: string;
}

/** Programs that share a run of the sandbox; what they print must stay below what it keeps. */
const BATCH = 40;
/** Characters of an output that is worth showing. */
const MAX_OUTPUT = 60;

/**
 * Runs each distinct exercise once.
 *
 * @returns verdicts in the order of the exercises
 */
export async function verifyExercises(
  exercises: readonly Exercise[],
  {
    sandbox,
    signal,
    onProgress,
  }: { sandbox: PythonSandbox; signal?: AbortSignal; onProgress?: (done: number) => void },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (let start = 0; start < exercises.length; start += BATCH) {
    const batch = exercises.slice(start, start + BATCH);
    const outcome = await sandbox.run(batchProgram(batch), signal === undefined ? {} : { signal });
    if (outcome.status === "passed") verdicts.push(...readVerdicts(outcome.output, batch));
    // One that hangs or ends the interpreter takes no other with it.
    else if (batch.length === 1) verdicts.push({ problem: outcome.error ?? outcome.status });
    else
      for (const exercise of batch)
        verdicts.push(
          ...(await verifyOne(exercise, { sandbox, ...(signal === undefined ? {} : { signal }) })),
        );
    onProgress?.(verdicts.length);
  }
  return verdicts;
}

async function verifyOne(
  exercise: Exercise,
  { sandbox, signal }: { sandbox: PythonSandbox; signal?: AbortSignal },
): Promise<Verdict[]> {
  const options = signal === undefined ? {} : { signal };
  const { status, output, error } = await sandbox.run(batchProgram([exercise]), options);
  return status === "passed" ? readVerdicts(output, [exercise]) : [{ problem: error ?? status }];
}

/** Prints a line for each exercise: what its solution gave for the inputs, or what went wrong. */
function batchProgram(exercises: readonly Exercise[]): string {
  const cases = exercises.map(({ head, body, name, check, inputs }) => [
    `${head}\n${body}\n`,
    name,
    check,
    inputs,
  ]);
  return `
import copy, json
for source, name, check, inputs in json.loads(${JSON.stringify(JSON.stringify(cases))}):
    space, other = {}, {}
    try:
        exec(source, space)
        exec(check, other)
        found = []
        for given in inputs:
            values = eval("(" + given + ",)")
            output = space[name](*copy.deepcopy(values))
            expected = other["check"](*copy.deepcopy(values))
            if type(output) is not type(expected) or output != expected:
                raise AssertionError("(%s) gives %r, and by another way %r" % (given, output, expected))
            found.append(repr(output))
        short = [[i, text] for i, text in enumerate(found) if len(text) < ${MAX_OUTPUT}][:1]
        print(json.dumps(short))
    except BaseException as error:
        print(json.dumps("%s: %s" % (type(error).__name__, str(error)[:60])))
`;
}

function readVerdicts(output: string, batch: readonly Exercise[]): Verdict[] {
  const lines = output.trim().split("\n");
  return batch.map(({ inputs }, i) => {
    const told = JSON.parse(lines[i] ?? '"no answer"') as string | [number, string][];
    if (typeof told === "string") return { problem: told };
    const [at, text] = told[0] ?? [];
    return at === undefined || text === undefined
      ? {}
      : { example: { input: inputs[at]!, output: text } };
  });
}
