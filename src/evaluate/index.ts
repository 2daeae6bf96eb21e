/**
 * Benchmarks with lm-evaluation-harness' names, prompts and numbers.
 *
 * @module philab/evaluate
 */
export { evaluate, type EvaluateOptions } from "./evaluate.ts";
export { GROUPS, TASKS } from "./groups.ts";
export { LocalTarget } from "./local-target.ts";
export { selectTasks, type Selection } from "./select.ts";
export type { Target, WorkPlan, WorkUnit } from "./target.ts";
export type { Item, Request, Response, Row, Scores, Task, TaskGroup } from "./task.ts";
