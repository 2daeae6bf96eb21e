/**
 * Pictures of every view, in both themes, at 1440 and 820 pixels, to be looked at: `node test/studio/pictures.mjs [FOLDER]`.
 * What a view shows is what its worked example makes with the bundled model.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const [folder = path.join(tmpdir(), "philab-pictures")] = process.argv.slice(2);
const MAIN = path.join(import.meta.dirname, "..", "..", "dist", "cli", "main.js");
/** A view's address, and the buttons that are pressed before it is taken. */
const VIEWS = [
  { name: "playground", press: ["Continue"], choose: 7 },
  { name: "evaluate", press: [] },
  { name: "catalog", press: [] },
  { name: "system", press: [] },
];
/** For drawings and answers to be there. */
const SETTLE_MS = 2_000;

mkdirSync(folder, { recursive: true });
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
  for (const { name, press, choose } of VIEWS)
    for (const width of [1440, 820])
      for (const theme of ["light", "dark"]) {
        const page = await browser.newPage({
          ...{ viewport: { width, height: 900 }, colorScheme: theme },
        });
        await page.goto(`${url}#/${name}`);
        for (const button of press) await page.getByRole("button", { name: button }).click();
        await page.waitForTimeout(SETTLE_MS);
        if (choose !== undefined) await page.locator(".token").nth(choose).click();
        const file = path.join(folder, `${name}-${width}-${theme}.png`);
        await page.screenshot({ path: file, fullPage: true });
        console.log(file);
        await page.close();
      }
} finally {
  await browser.close();
  server.kill();
  rmSync(home, { recursive: true });
}
