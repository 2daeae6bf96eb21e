import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { barChart } from "./bar-chart.ts";
import { html } from "./html.ts";
import { page, section } from "./page.ts";

const text = page({
  title: "A <report>",
  subtitle: "of things",
  facts: [
    ["model", "phi-nano"],
    ["command", "philab eval --model phi-nano --tasks hellaswag"],
  ],
  body: html`${section(
    "Accuracy",
    barChart({ title: "All", x: { title: "share" }, bars: [{ label: "a", value: 1 }] }),
  )}`,
});

test("a page allows its own script by its hash, and nothing from anywhere else", () => {
  const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(text)?.[1] ?? "";
  const script = /<script>(.*?)<\/script>/s.exec(text)?.[1] ?? "";
  const hash = createHash("sha256").update(script).digest("base64");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain(`script-src 'sha256-${hash}'`);
  expect(script).toMatch(/^\(function attachPlots/);
});

test("a page needs no other file", () => {
  expect(text).not.toMatch(/\s(src|href)=|url\(|@import|https?:/);
});

test("a page's script names nothing that only the build knows", () => {
  const script = /<script>(.*?)<\/script>/s.exec(text)?.[1] ?? "";
  expect(script).not.toMatch(/__vite|__name|import\(|require\(/);
});

test("a page carries its title, its facts and its sections", () => {
  expect(text).toContain("<title>A &#60;report&#62;</title>");
  expect(text).toMatch(/<div class="wide">\s*<dt>command<\/dt>/);
  expect(text).toMatch(/<h2>Accuracy<\/h2>/);
  expect(text.startsWith('<!doctype html>\n<html lang="en">')).toBe(true);
});

test("a page follows the reader's theme", () => {
  expect(text).toContain("color-scheme:light dark");
});
