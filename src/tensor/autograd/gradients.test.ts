import { describe, expect, it } from "vitest";
import {
  evaluate,
  expectClose,
  mapValues,
  productOf,
  randomValues,
  roundTo,
  tabulate,
  testBackend,
  type Values,
} from "../../../test/support/tensors.ts";
import { quantizeRows } from "../../engine/quantize.ts";
import { Graph } from "../graph.ts";
import * as ops from "../ops/index.ts";
import { TensorStore } from "../store.ts";
import type { Tensor } from "../tensor.ts";
import { checkGradients, type CheckedInput } from "./check-gradients.ts";
import { gradients, pullBack } from "./gradients.ts";

const backend = testBackend();

const floats = ({ shape, data }: Values): CheckedInput => ({
  shape,
  values: Float32Array.from(data),
});
const positive = (...shape: number[]): CheckedInput =>
  floats(mapValues(randomValues(shape, 1), (v) => Math.abs(v) + 0.3));

describe("gradients", () => {
  const read = async (
    build: (graph: Graph) => { loss: Tensor; to: Tensor[]; fill: () => void },
  ): Promise<Values[]> => {
    using graph = new Graph(backend);
    const { loss, to, fill } = build(graph);
    const found = gradients(loss, to).map(ops.contiguous);
    graph.output(...found);
    graph.allocate();
    fill();
    await graph.compute();
    return found.map((t) => ({ shape: t.shape, data: Float64Array.from(t.read()) }));
  };

  it("reach weights, inputs and any activation between, which may depend on one another", async () => {
    using store = new TensorStore(1);
    const [w] = store.create(backend.bufferType, [{ name: "w", dtype: "f32", shape: [2, 2] }]);
    w!.write(Float32Array.of(1, 2, 3, 4));
    const [dx, dh, dw, dh2] = await read((graph) => {
      const x = graph.input("f32", [1, 2]);
      const h = ops.matmulTransposed(x, w!); // [17, 37] for x = [3, 7]
      const squares = ops.sqr(h);
      return {
        loss: ops.sumAll(ops.add(squares, h)),
        to: [x, h, w!, squares],
        fill: () => {
          x.write(Float32Array.of(3, 7));
        },
      };
    });
    expect([...dh!.data]).toEqual([35, 75]); // 2·h + 1
    expect([...dx!.data]).toEqual([35 + 3 * 75, 2 * 35 + 4 * 75]);
    expect([...dw!.data]).toEqual([3 * 35, 7 * 35, 3 * 75, 7 * 75]);
    expect([...dh2!.data]).toEqual([1, 1]);
  });

  it("do not go through what is detached", async () => {
    const [dx] = await read((graph) => {
      const x = graph.input("f32", [2]);
      const fill = (): void => {
        x.write(Float32Array.of(3, -7));
      };
      return { loss: ops.sumAll(ops.mul(ops.detach(ops.sqr(x)), x)), to: [x], fill };
    });
    expect([...dx!.data]).toEqual([9, 49]);
  });

  it("add up over every use of a tensor", async () => {
    const [dx] = await read((graph) => {
      const x = graph.input("f32", [2]);
      let y = x;
      for (let i = 0; i < 3; i++) y = ops.add(y, ops.mul(y, x));
      return {
        loss: ops.sumAll(y), // x·(1 + x)³
        to: [x],
        fill: () => {
          x.write(Float32Array.of(1, -2));
        },
      };
    });
    expect([...dx!.data]).toEqual([8 + 12, -1 - 6]);
  });

  it("are 0 for what the loss does not depend on, of any type", async () => {
    const found = await read((graph) => {
      const [x, y] = [graph.input("f32", [3]), graph.input("q8_0", [2, 32])];
      const z = graph.input("f32", [2]);
      return {
        loss: ops.sumAll(ops.add(ops.sqr(x), ops.sumAll(ops.step(z)))),
        to: [x, y, z],
        fill: () => {
          x.write(Float32Array.of(1, 2, 3));
          z.write(Float32Array.of(1, 2));
        },
      };
    });
    expect(found.map(({ data }) => [...data])).toEqual([
      [2, 4, 6],
      Array<number>(64).fill(0),
      [0, 0],
    ]);
  });

  it("reach the input of a product with quantised weights through their decoded values", async () => {
    for (const dtype of ["f16", "bf16", "q8_0", "q4_k"] as const) {
      const w = randomValues([5, 256], 1);
      const dy = randomValues([3, 5], 2);
      using graph = new Graph(backend);
      const weights = graph.input(dtype, [5, 256]);
      const [x, seed] = [graph.input("f32", [3, 256]), graph.input("f32", [3, 5])];
      const [dx] = pullBack(ops.matmulTransposed(x, weights), seed, [x]);
      graph.output(dx!);
      graph.allocate();
      weights.write(await quantizeRows(dtype, Float32Array.from(w.data), 256));
      seed.write(Float32Array.from(dy.data));
      await graph.compute();
      const held = await roundTo(dtype, w);
      const turned = tabulate([256, 5], ([i = 0, j = 0]) => held.data[j * 256 + i] ?? NaN);
      const found = { shape: dx!.shape, data: Float64Array.from(dx!.read()) };
      expectClose(found, productOf(dy, turned), { absolute: 1e-4 });
    }
  });

  it("of GELU are exact far from 0, too", async () => {
    const x = tabulate([1201], ([i = 0]) => Math.sign(i - 600) * ((i - 600) / 60) ** 2); // −100 … 100
    const [found] = await evaluate((t) => gradients(ops.sumAll(ops.gelu(t)), [t]), [x]);
    const wanted = mapValues(x, (v) => {
      const [k, c] = [2 * Math.sqrt(2 / Math.PI), 2 * Math.sqrt(2 / Math.PI) * 0.044715];
      const [right, left] = [1, -1].map((sign) => 1 / (1 + Math.exp(-sign * (k * v + c * v ** 3))));
      return right! * (1 + v * (k + 3 * c * v * v) * left!);
    });
    expectClose(found!, wanted, { absolute: 1e-5 });
  });

  it("of the fast GELU are those of the exact one", async () => {
    const x = randomValues([4, 9], 3);
    const derivative = (op: typeof ops.gelu) =>
      evaluate((t) => gradients(ops.sumAll(op(t)), [t]), [x]);
    expectClose((await derivative(ops.geluFast))[0]!, (await derivative(ops.gelu))[0]!, {});
  });

  it("leave out what is not needed", () => {
    const products = (wanted: (x: Tensor, w: Tensor, v: Tensor) => Tensor[]): number => {
      using graph = new Graph(backend);
      const [x, w, v] = ["x", "w", "v"].map((name) => graph.input("f32", [8, 8], name));
      const loss = ops.sumAll(ops.matmulTransposed(ops.matmulTransposed(x!, w!), v!));
      const seen = new Set<Tensor>();
      const visit = (t: Tensor): void => {
        if (seen.has(t)) return;
        seen.add(t);
        t.made?.inputs.forEach(visit);
      };
      gradients(loss, wanted(x!, w!, v!)).forEach(visit);
      return [...seen].filter((t) => t.made?.op === "matmulTransposed").length;
    };
    expect(products((_x, _w, v) => [v])).toBe(2 + 1);
    expect(products((_x, w) => [w])).toBe(2 + 2); // of h and of w
    expect(products((x, w, v) => [x, w, v])).toBe(2 + 4);
  });

  it("refuse losses of several values, and operations without a derivative", () => {
    using graph = new Graph(backend);
    const x = graph.input("f32", [3]);
    expect(() => gradients(x, [x])).toThrow(/one value/);
    expect(() => pullBack(x, graph.input("f32", [2]), [x])).toThrow(/gradient/);
    const back = gradients(ops.sumAll(ops.softmax(x)), [x])[0]!;
    expect(() => gradients(ops.sumAll(back), [x])).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
  });
});

describe("checkGradients", () => {
  it("names the input and index where a gradient is wrong", async () => {
    const wrong = (x: Tensor): Tensor => {
      const [y, stopped] = [ops.sqr(x), ops.sqr(ops.scale(x, 1))];
      return x.graph!.result(ops.mul(y, stopped).pointer, {
        dtype: "f32",
        shape: x.shape,
        made: { op: "mul", inputs: [y, ops.fill(x, 0)] },
      });
    };
    await expect(checkGradients(backend, wrong, [positive(2, 2)])).rejects.toMatchObject({
      code: "check_failed",
      message: expect.stringMatching(/input 0 at \[\d, \d\]/) as string,
    });
  });

  it("refuses a gradient that is no number", async () => {
    const at0 = floats({ shape: [1], data: Float64Array.of(0) });
    await expect(checkGradients(backend, (x) => ops.log(ops.relu(x)), [at0])).rejects.toMatchObject(
      { code: "check_failed" },
    );
  });
});
