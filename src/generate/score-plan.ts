/**
 * Which log-likelihoods are computed together. Requests with the same context become a branch with several continuations;
 * branches that begin alike share a prefix that is read once (the examples of a few-shot prompt, a passage); and branches lie
 * beside each other in one pass, without padding.
 *
 * A plan depends on the requests alone, and a pass computes the same numbers whenever it runs: work that was interrupted
 * can go on with the passes that are left.
 */
import { LabError } from "../base/errors.ts";

/** Ids that are read, and ids whose likelihood after them is wanted. */
export interface ScoreRequest {
  /** At least one. */
  context: readonly number[];
  continuation: readonly number[];
}

/** A continuation and the place of its request. */
interface Continuation {
  index: number;
  ids: readonly number[];
}

/** A context after the prefix of its pass, and what is to be scored after it. */
export interface Branch {
  /** At least one id. */
  context: readonly number[];
  continuations: readonly Continuation[];
}

/** What is computed at a time. */
export interface ScorePass {
  /** Ids before every branch; a multiple of `PREFIX_STEP`. */
  prefix: readonly number[];
  branches: readonly Branch[];
}

/** Prefixes are cut to multiples of it: `Sequence` keeps blocks of this size without changing a number. */
const PREFIX_STEP = 64;
/** Rows computed at a time. */
const MAX_ROWS = 512;

/**
 * @param options.capacity - tokens that the context holds
 * @throws LabError `too_long` where a request does not fit, `bad_input` for an empty context
 */
export function planScores(
  requests: readonly ScoreRequest[],
  { capacity }: { capacity: number },
): ScorePass[] {
  const branches = joinContexts(requests, capacity);
  const groups = shareGroups(branches.sort((a, b) => compare(a.context, b.context)));
  return groups.flatMap(({ length, members }) => {
    const prefix = members[0]?.context.slice(0, length) ?? [];
    const tails = members.map(({ context, continuations }) => ({
      context: context.slice(length),
      continuations,
    }));
    const room = Math.min(MAX_ROWS, capacity - length);
    return pack(tails, room).map((packed) => ({ prefix, branches: packed }));
  });
}

/** Rows that a branch takes: the last token of a continuation is never read. */
export function rowsOf({ context, continuations }: Branch): number {
  return continuations.reduce((sum, { ids }) => sum + Math.max(0, ids.length - 1), context.length);
}

function joinContexts(requests: readonly ScoreRequest[], capacity: number): Branch[] {
  const branches = new Map<string, { context: readonly number[]; continuations: Continuation[] }>();
  requests.forEach(({ context, continuation }, index) => {
    const length = context.length + Math.max(0, continuation.length - 1);
    if (context.length === 0) throw new LabError("bad_input", "a continuation after no context");
    if (length > capacity)
      throw new LabError(
        "too_long",
        `a context of ${context.length} tokens and a continuation of ${continuation.length}; the model's context holds ${capacity}`,
      );
    const key = context.join();
    const branch = branches.get(key) ?? { context, continuations: [] };
    branches.set(key, branch);
    branch.continuations.push({ index, ids: continuation });
  });
  return [...branches.values()];
}

/** Neighbours in order that begin alike; those that share nothing make one group with no prefix. */
function shareGroups(sorted: readonly Branch[]): { length: number; members: Branch[] }[] {
  const alone: Branch[] = [];
  const groups: { length: number; members: Branch[] }[] = [];
  let open: { length: number; members: Branch[] } | undefined;
  const close = (): void => {
    if (open === undefined) return;
    // A context that no other shares is read in one piece, unless it is long.
    const [first] = open.members;
    const isShared = open.members.length > 1 || (first && first.context.length > MAX_ROWS);
    if (isShared && open.length > 0) groups.push(open);
    else alone.push(...open.members);
  };
  for (const branch of sorted) {
    const last = open?.members.at(-1);
    const common = last ? commonLength(last.context, branch.context) : 0;
    const length = wholeSteps(Math.min(common, open?.length ?? 0, branch.context.length - 1));
    if (open && length >= PREFIX_STEP && 2 * length >= open.length) {
      open.members.push(branch);
      open.length = length;
    } else {
      close();
      open = { length: wholeSteps(branch.context.length - 1), members: [branch] };
    }
  }
  close();
  return alone.length === 0 ? groups : [...groups, { length: 0, members: alone }];
}

/** Branches in passes of at most `room` rows; one that is larger is divided between its continuations. */
function pack(branches: readonly Branch[], room: number): Branch[][] {
  const passes: Branch[][] = [];
  let rows = Infinity;
  for (const branch of branches.flatMap((whole) => divide(whole, room))) {
    const own = rowsOf(branch);
    if (rows + own > room) {
      passes.push([]);
      rows = 0;
    }
    passes.at(-1)?.push(branch);
    rows += own;
  }
  return passes;
}

function divide(branch: Branch, room: number): Branch[] {
  const parts: { context: readonly number[]; continuations: Continuation[] }[] = [];
  let rows = Infinity;
  for (const continuation of branch.continuations) {
    const own = Math.max(0, continuation.ids.length - 1);
    if (rows + own > room) {
      parts.push({ context: branch.context, continuations: [] });
      rows = branch.context.length;
    }
    parts.at(-1)?.continuations.push(continuation);
    rows += own;
  }
  return parts;
}

function wholeSteps(length: number): number {
  return Math.max(0, Math.floor(length / PREFIX_STEP) * PREFIX_STEP);
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = commonLength(a, b);
  return (a[at] ?? -1) - (b[at] ?? -1);
}
