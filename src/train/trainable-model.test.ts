import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Backend } from "../engine/backend.ts";
import { liveBytes } from "../engine/memory.ts";
import { fixture, maxDifference, readTensors } from "../../test/support/golden.ts";
import { TrainableModel } from "./trainable-model.ts";

const folder = mkdtempSync(join(tmpdir(), "philab-trainable-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("writes back the weights that it read, from every layout", async () => {
  const before = liveBytes();
  const expected = await readTensors(fixture("phi-mini"));
  {
    using backend = new Backend({ threads: 1 });
    for (const layout of ["phi-mini", "phi-mini-legacy/interim", "phi-mini-legacy/phi-msft"]) {
      using model = await TrainableModel.load(fixture(layout), backend);
      const directory = join(folder, layout.replace("/", "-"));
      mkdirSync(directory);
      await model.write(directory);
      for (const [name, { values }] of await readTensors(directory))
        expect(maxDifference(values, expected.get(name)?.values ?? [])).toBe(0);
    }
  }
  expect(liveBytes()).toBe(before);
});

it("begins with the same random weights for the same seed", async () => {
  using backend = new Backend({ threads: 1 });
  using loaded = await TrainableModel.load(fixture("phi-mini"), backend);
  const read = (seed: number): Float32Array[] => {
    using model = TrainableModel.initialize(loaded.config, backend, { seed });
    return [...model.parameters.values()].map((tensor) => tensor.read());
  };
  expect(read(1)).toEqual(read(1));
  expect(read(1)).not.toEqual(read(2));
  const table = read(1)[0] ?? new Float32Array();
  const variance = table.reduce((sum, x) => sum + x * x, 0) / table.length;
  expect(Math.sqrt(variance)).toBeCloseTo(0.02, 3);
});
