/** The studio in a real browser, on a real server with the bundled model: nothing is mocked. */
import { existsSync } from "node:fs";
import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { readPages } from "../../src/server/studio/pages.ts";
import { build } from "./built.ts";
import { startServer, type TestServer } from "./server.ts";

/** Debian's, the usual others, and the one that Playwright installs. */
function findChromium(): string | undefined {
  const known = [
    process.env["PHILAB_CHROMIUM"],
    ...["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"],
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    chromium.executablePath(),
  ];
  return known.find((file) => file !== undefined && file !== "" && existsSync(file));
}

const EXECUTABLE = findChromium();
const IS_REQUIRED = process.env["PHILAB_REQUIRE_BROWSER"] === "1";
/** For `describe.skipIf`: there is no Chromium, and nobody insists on one. */
export const HAS_NO_BROWSER = EXECUTABLE === undefined && !IS_REQUIRED;
if (HAS_NO_BROWSER)
  console.log(
    "No Chromium: the studio's pages are not driven. Install it, or set PHILAB_CHROMIUM.",
  );

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 820, height: 1180 };

export interface StudioSession extends AsyncDisposable {
  server: TestServer;
  /** The view of an address such as `playground?prompt=…`, in a window of its own. */
  open: (view: string, options?: OpenOptions) => Promise<Page>;
  /** What went wrong in pages: exceptions, and errors on the console that were not expected. */
  errors: string[];
  /** Another server with the pages, such as one in the place of the first. */
  startAgain: (options: Parameters<typeof startServer>[0]) => Promise<TestServer>;
}

interface OpenOptions {
  size?: { width: number; height: number };
  theme?: "light" | "dark";
}

export async function startStudio(
  options: Parameters<typeof startServer>[0] = {},
): Promise<StudioSession> {
  if (EXECUTABLE === undefined) throw new Error("there is no Chromium, and it is required");
  build(); // the pages are read before the server is started
  const [server, browser] = await Promise.all([
    startServer({ ...options, pages: await readPages() }),
    launch(EXECUTABLE),
  ]);
  const errors: string[] = [];
  return {
    server,
    errors,
    startAgain: async (options) => startServer({ ...options, pages: await readPages() }),
    async open(view, { size = WIDE, theme = "light" } = {}) {
      const page = await browser.newPage({
        ...{ viewport: size, colorScheme: theme, reducedMotion: "reduce" },
      });
      page.setDefaultTimeout(60_000);
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        // A refused request is a part of some tests; a breach of the policy never is.
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
          errors.push(message.text());
      });
      await page.goto(`${server.url}/studio/#/${view}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      return page;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function launch(executablePath: string): Promise<Browser> {
  // Chromium's own sandbox does not run as root.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args });
}

/** What axe finds wrong on a page, WCAG 2.2 AA and its own good practice: `rule: element: why`. */
export async function axeViolations(page: Page): Promise<string[]> {
  // Evaluated by the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[];
  }>("axe.run(document)");
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`),
  );
}
