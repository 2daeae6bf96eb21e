/** The examples of analyses run, and find what they say they find. */
import { expect, it, vi } from "vitest";

async function run(name: string): Promise<string> {
  let said = "";
  const log = vi.spyOn(console, "log").mockImplementation((text: string) => {
    said += `${text}\n`;
  });
  try {
    await import(`../../examples/${name}.ts`);
  } finally {
    log.mockRestore();
  }
  return said;
}

it("06-lens sees the answer appear in the last layers, and sooner with a tuned lens", async () => {
  const said = await run("06-lens");
  expect(said).toMatch(/^ {4}4 {2}" Mary" \(Mary 66 %\) +tuned: " Mary"/m);
  expect(said).toMatch(/^final {2}" Mary" \(Mary 97 %\)/m);
});

it("07-attribute names the parts that wrote the answer, which sum to it", async () => {
  const said = await run("07-attribute");
  expect(said).toMatch(/^4_mlp_out +2\.334/m);
  expect(said).toMatch(/36 parts and 0\.036 sum to 4\.710, but for \de-\d/);
});

it("08-name-movers finds heads that carry the behaviour where random ones do not", async () => {
  const said = await run("08-name-movers");
  expect(said).toMatch(/^L2H1 carries \d\d %$/m);
  const [, removed] = /without them (\d+) % less/.exec(said) ?? [];
  expect(Number(removed)).toBeGreaterThan(80);
});

it("09-steer turns the answer around", async () => {
  const said = await run("09-steer");
  expect(said).toMatch(/^ -2: John/m);
  expect(said).toMatch(/^ {2}2: Mary/m);
});

it("10-estimate says how well gradients stand for patches", async () => {
  const said = await run("10-estimate");
  expect(said.match(/rank correlation with patching -?\d\.\d\d/g)).toHaveLength(2);
  expect(said).toMatch(/L0H0 {2}estimated/);
});
