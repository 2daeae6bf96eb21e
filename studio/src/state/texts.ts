/** Texts that a run reads: a data set by its name, or some that are made on the spot. */
import { getEvents, getJson, postJson } from "../api/client.ts";
import { Failure } from "../api/failure.ts";
import type { DataList, DescribedRun } from "../api/types.ts";

/** What is made where no data set is chosen: a few pages from philab's grammars, on which the bundled model was trained. */
export const GRAMMARS = "philab-grammars";
const CHARACTERS = 400_000;

export function listData(signal: AbortSignal): Promise<DataList> {
  return getJson<DataList>("/v1/lab/data", { signal });
}

/** The name of the data set: the one that is chosen, or the grammars', made first where they are not there yet. */
export async function textsFor(chosen: string, signal: AbortSignal): Promise<string> {
  if (chosen !== "") return chosen;
  const { data } = await listData(signal);
  if (data.some(({ name }) => name === GRAMMARS)) return GRAMMARS;
  const asked = { name: GRAMMARS, characters: CHARACTERS };
  const { id } = await postJson<DescribedRun>("/v1/lab/runs/synth", asked, { signal });
  const path = `/v1/lab/runs/${encodeURIComponent(id)}`;
  for await (const event of getEvents<object>(`${path}/events`, { signal })) void event;
  const { state, error } = await getJson<DescribedRun>(path, { signal });
  if (state !== "done")
    throw new Failure({
      code: error?.code ?? "internal",
      message: `no texts could be made: ${error?.message ?? state}`,
      hint: error?.hint,
    });
  return GRAMMARS;
}
