/** The System view, driven in Chromium against the real server. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatBytes } from "../../src/base/format.ts";
import type { SystemFacts } from "../../studio/src/api/types.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";

describe.skipIf(HAS_NO_BROWSER)("the System view", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  const system = async (): Promise<SystemFacts> =>
    (await fetch(`${studio.server.url}/v1/lab/system`)).json() as Promise<SystemFacts>;

  it("shows what computes, and the measured bandwidth as the server has it", async () => {
    const page = await studio.open("system");
    await page.getByText("avx2", { exact: true }).or(page.getByText("unknown")).first().waitFor();
    await page.getByRole("button", { name: "Measure", exact: true }).click();
    await page.getByRole("button", { name: "Measure again" }).waitFor();
    const { speed, machine } = await system();
    const shown = `${formatBytes(speed?.bandwidthBytesPerSecond ?? NaN)}/s`;
    expect(await page.locator(".speed").innerText()).toContain(shown);
    for (const use of machine.kernels.uses)
      expect(await page.getByRole("listitem").filter({ hasText: use }).count()).toBe(1);
    expect(await axeViolations(page)).toEqual([]);
    await page.close();
  });
});
