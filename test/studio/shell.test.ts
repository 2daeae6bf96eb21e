/** What all views of the studio stand in. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VIEWS } from "../../studio/src/views.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  NARROW,
  startStudio,
  WIDE,
  type StudioSession,
} from "../support/browser.ts";

describe.skipIf(HAS_NO_BROWSER)("the studio", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  it.each(VIEWS.map(({ name }) => name))(
    "%s: axe finds nothing in either theme and width, and nothing is cut off",
    async (name) => {
      for (const [size, theme] of [
        [WIDE, "light"],
        [NARROW, "dark"],
      ] as const) {
        const page = await studio.open(name, { size, theme });
        expect(await axeViolations(page)).toEqual([]);
        const width = await page.evaluate<number>("document.documentElement.scrollWidth");
        expect(width).toBeLessThanOrEqual(size.width);
        await page.close();
      }
    },
  );

  it("an address without a view is told so, with those that there are", async () => {
    const page = await studio.open("system");
    await page.evaluate("location.hash = '#/sistem'");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/no view “sistem”[^]*System/);
    await page.getByRole("link", { name: "System" }).click();
    await page.getByRole("heading", { level: 1, name: "System" }).waitFor();
    await page.close();
  });

  it("the theme that was chosen holds, against the system's, and after a reload", async () => {
    const page = await studio.open("system", { theme: "light" });
    const ground = async (): Promise<string> =>
      page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const light = await ground();
    await page.getByLabel("Theme").selectOption("dark");
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await ground()).toBe(dark);
    await page.close();
  });

  it("the keyboard reaches the view past the navigation, then everything in it", async () => {
    const page = await studio.open("system");
    await page.getByRole("button", { name: "Unload" }).first().waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter"); // Skip to the view
    await page.keyboard.press("Tab");
    expect(await page.evaluate<string>("document.activeElement.textContent")).toBe("Unload");
    await page.close();
  });
});

describe.skipIf(HAS_NO_BROWSER)("a server with a key", () => {
  it("is opened with it, and says when it is wrong", async () => {
    await using studio = await startStudio({ apiKey: "sesame-9" });
    const page = await studio.open("system");
    await page.getByLabel("Key").fill("wrong");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("the API key is wrong").waitFor();
    await page.getByLabel("Key").fill("sesame-9");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("rowheader", { name: "phi-micro" }).waitFor();
    expect(studio.errors).toEqual([]);
  });
});
