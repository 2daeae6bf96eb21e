import { expect, it } from "vitest";
import { RecentLog } from "./recent-log.ts";

it("keeps the last lines in their order, and hands every line on whole", () => {
  const recent = new RecentLog();
  const handedOn: string[] = [];
  const log = recent.before((message) => handedOn.push(message));
  for (let i = 0; i < 500; i++) log(`line ${i}`);
  expect(handedOn).toHaveLength(500);
  expect(recent.lines.length).toBeLessThan(500);
  expect(recent.lines.at(-1)?.message).toBe("line 499");
});

it("does not keep what an error quotes, nor what would act on a terminal", () => {
  const recent = new RecentLog();
  const handedOn: object[] = [];
  const log = recent.before((_, more) => handedOn.push(more ?? {}));
  const error = 'internal: no token "my "secret" text" \u001b[31mhere';
  log("request failed", { error, status: 500 });
  expect(recent.lines[0]?.facts).toEqual({
    error: "internal: no token “…” ␛[31mhere",
    status: 500,
  });
  expect(handedOn).toEqual([{ error, status: 500 }]);
});
