/** From names to tasks: a task, a group, a YAML file. */
import { LabError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { GROUPS, TASKS } from "./groups.ts";
import { sampled, type SampleOptions } from "./sampled.ts";
import { readTaskFile } from "./tasks/custom.ts";
import type { Task, TaskGroup } from "./task.ts";

export interface Selection {
  tasks: { task: Task; shots: number }[];
  /** Groups that were named, and the groups in them. */
  groups: TaskGroup[];
}

/**
 * Tasks by their names and those of groups.
 *
 * @throws LabError `not_found` with suggestions, `bad_input` where a task is wanted with two numbers of examples
 */
export async function selectTasks(
  names: readonly string[],
  {
    shots,
    sampling,
  }: {
    /** Examples in every prompt, over what tasks and groups say. */
    shots?: number | undefined;
    /** How many programs are drawn for each problem of the tasks that run code. */
    sampling?: SampleOptions | undefined;
  } = {},
): Promise<Selection> {
  const tasks = new Map<string, { task: Task; shots: number }>();
  const groups = new Map<string, TaskGroup>();
  const add = (task: Task, wanted: number | undefined): void => {
    const chosen = shots ?? wanted ?? task.shots;
    const before = tasks.get(task.name);
    if (before !== undefined && before.shots !== chosen)
      throw new LabError(
        "bad_input",
        `${task.name} is wanted with ${before.shots} examples and with ${chosen}`,
        { hint: "Run it twice, or say how many with --num-fewshot." },
      );
    tasks.set(task.name, { task, shots: chosen });
  };
  const visit = async (name: string, wanted: number | undefined): Promise<void> => {
    const task = TASKS.find((known) => known.name === name);
    const group = GROUPS.find((known) => known.name === name);
    if (task !== undefined) add(task, wanted);
    else if (group !== undefined) {
      groups.set(name, group);
      for (const member of group.members) await visit(member.task, wanted ?? member.shots);
    } else if (/\.ya?ml$/i.test(name)) add(await readTaskFile(name), wanted);
    else throw unknownTask(name);
  };
  for (const name of names) await visit(name, undefined);
  const selected = [...tasks.values()];
  if (sampling !== undefined && !selected.some(({ task }) => task.runsCode === true))
    throw new LabError("bad_input", "samples are drawn for tasks that run code; there is none", {
      hint: "Such tasks are humaneval and mbpp.",
    });
  return {
    tasks: selected.map(({ task, shots: own }) => ({
      task: sampling !== undefined && task.runsCode === true ? sampled(task, sampling) : task,
      shots: own,
    })),
    groups: [...groups.values()],
  };
}

function unknownTask(name: string): LabError {
  const known = [...TASKS, ...GROUPS].map((entry) => entry.name);
  return new LabError("not_found", `there is no task named ${name}`, {
    hint: didYouMean(name, known) ?? "philab eval list shows all.",
  });
}
