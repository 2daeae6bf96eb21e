/**
 * Pictures of every view, in both themes: at 1440 pixels into docs/pictures (`<view>-<theme>.webp`), at 820 into a folder beside the
 * system's other temporary ones, to be looked at. `node test/studio/pictures.mjs [VIEW…]`; what a view shows is its worked example
 * with the bundled model.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const wanted = process.argv.slice(2);
const ROOT = path.join(import.meta.dirname, "..", "..");
const MAIN = path.join(ROOT, "dist", "cli", "main.js");
const SIZES = [
  { width: 1440, folder: path.join(ROOT, "docs", "pictures") },
  { width: 820, folder: path.join(tmpdir(), "philab-pictures") },
];
/** A view's address, and the buttons that are pressed before it is taken, one only for its first picture. */
const VIEWS = [
  { name: "playground", press: ["Continue"], choose: 7 },
  { name: "inspect", press: [] },
  { name: "steer", press: ["Write"] },
  { name: "features", once: "Read texts", press: ["Continue"], settleMs: 6_000 },
  { name: "dictionaries", press: [] },
  { name: "circuits", press: ["Search", "Measure"], settleMs: 8_000 },
  { name: "graphs", press: ["Intervene"], settleMs: 3_000 },
  { name: "safety", query: "?part=direction", press: ["Find the direction", "Write"] },
  { name: "train", press: ["Begin"], until: "Use it in the Playground" },
  { name: "evaluate", press: [] },
  {
    ...{ name: "data", press: [], prepare: makeCorpus },
    query: "?corpus=example&show=scores&score=perplexity.bits",
  },
  { name: "catalog", press: [] },
  { name: "system", press: [/^Measure/] },
];
/** For drawings and answers to be there. */
const SETTLE_MS = 2_000;
/** For a run that a picture shows. */
const UNTIL_MS = 180_000;
/** Of WebP, of 100: text stays sharp. */
const QUALITY = 80;

const home = mkdtempSync(path.join(tmpdir(), "philab-pictures-home-"));
const server = spawn(
  process.execPath,
  [MAIN, "studio", "--no-open", "--port", "0", "--threads", "1", "--json"],
  { env: { ...process.env, PHILAB_HOME: home }, stdio: ["ignore", "pipe", "ignore"] },
);
const executablePath = process.env.PHILAB_CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const line = await new Promise((resolve) => server.stdout.once("data", resolve));
  const { url } = JSON.parse(String(line));
  for (const {
    name,
    once,
    press,
    choose,
    prepare,
    until,
    query = "",
    settleMs = SETTLE_MS,
  } of VIEWS.filter((view) => wanted.length === 0 || wanted.includes(view.name))) {
    prepare?.();
    // What was begun for the first picture stands in the address for the others.
    let begun;
    for (const { width, folder } of SIZES)
      for (const theme of ["light", "dark"]) {
        const page = await browser.newPage({
          ...{ viewport: { width, height: 900 }, colorScheme: theme },
        });
        page.setDefaultTimeout(UNTIL_MS);
        await page.goto(begun ?? `${url}#/${name}${query}`);
        const isFirst = width === SIZES[0].width && theme === "light";
        const first = once !== undefined && isFirst ? [once] : [];
        for (const button of begun === undefined ? [...first, ...press] : [])
          await page.getByRole("button", { name: button, exact: true }).click();
        if (until !== undefined) {
          await page.getByText(until).waitFor();
          begun = page.url();
        }
        await page.waitForTimeout(settleMs);
        await page.locator("progress").first().waitFor({ state: "detached" });
        if (choose !== undefined) await page.locator(".token").nth(choose).click();
        else await page.evaluate("scrollTo(0, 0)");
        mkdirSync(folder, { recursive: true });
        const file = path.join(folder, `${name}-${theme}.webp`);
        const session = await page.context().newCDPSession(page);
        const { data } = await session.send("Page.captureScreenshot", {
          ...{ format: "webp", quality: QUALITY, captureBeyondViewport: width === 820 },
          ...(width === 820 ? { clip: await wholePage(page) } : {}),
        });
        writeFileSync(file, Buffer.from(data, "base64"));
        console.log(file);
        await page.close();
      }
  }
} finally {
  await browser.close();
  server.kill();
  rmSync(home, { recursive: true });
}

async function wholePage(page) {
  const height = await page.evaluate("document.documentElement.scrollHeight");
  return { x: 0, y: 0, width: page.viewportSize().width, height, scale: 1 };
}

/** Text of the grammars, and how much the bundled model is surprised by it. */
function makeCorpus() {
  const data = path.join(home, "data");
  const recipe = path.join(home, "recipe.yaml");
  const stage = { use: "perplexity", maxCharacters: 96 };
  const sources = [{ path: path.join(data, "raw") }];
  writeFileSync(recipe, JSON.stringify({ name: "example", sources, stages: [stage] }));
  for (const words of [
    ["synth", "--out", path.join(data, "raw"), "--characters", "60000"],
    ["run", recipe, "--out", path.join(data, "example")],
  ])
    spawnSync(process.execPath, [MAIN, "data", ...words], {
      env: { ...process.env, PHILAB_HOME: home },
    });
}
