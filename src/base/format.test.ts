import { expect, test } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFacts,
  formatNumber,
  formatPercent,
  formatRate,
  formatShort,
  formatTable,
} from "./format.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.00 KiB"],
  [1_589_934_592, "1.48 GiB"],
  [1024 ** 2 - 1, "1.00 MiB"],
  [-2048, "-2.00 KiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0.84, "0.8 ms"],
  [240, "240 ms"],
  [999.7, "1.0 s"],
  [59_940, "59.9 s"],
  [59_960, "1 min 00 s"],
  [245_000, "4 min 05 s"],
  [3_599_600, "1 h 00 min"],
  [7_380_000, "2 h 03 min"],
  [273_600_000, "3 d 04 h"],
  [Infinity, "unknown time"],
])("%d ms are %s", (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test("counts are exact or short", () => {
  expect(formatCount(2_779_683_840)).toBe("2,779,683,840");
  expect(formatShort(2_779_683_840)).toBe("2.78 B");
  expect(formatShort(51_200)).toBe("51.2 k");
  expect(formatShort(999)).toBe("999");
});

test("rates, shares and numbers", () => {
  expect(formatRate(12.43, "tok")).toBe("12.4 tok/s");
  expect(formatRate(3100, "rows")).toBe("3.10 k rows/s");
  expect(formatRate(1.25 * 1024 ** 3, "B")).toBe("1.25 GiB/s");
  expect(formatPercent(0.4171)).toBe("41.7 %");
  expect(formatNumber(1.23456)).toBe("1.235");
  expect(formatNumber(0)).toBe("0");
  expect(formatNumber(1.5e-7, 2)).toBe("1.5e-7");
  expect(formatNumber(NaN)).toBe("NaN");
});

test("tables align numbers right, text left, and count columns, not letters", () => {
  const table = formatTable(
    [{ title: "token" }, { title: "logprob", align: "right" }, { title: "note" }],
    [
      ["漢", "-1.25", "wide"],
      ["ab", "-10", ""],
    ],
  );
  expect(table).toBe(["token  logprob  note", "漢       -1.25  wide", "ab         -10"].join("\n"));
});

test("facts stand side by side, further lines under the first", () => {
  expect(
    formatFacts([
      ["model", "phi-2"],
      ["data used", "a\nb"],
    ]),
  ).toBe(["model      phi-2", "data used  a", "           b"].join("\n"));
  expect(formatFacts([])).toBe("");
});
