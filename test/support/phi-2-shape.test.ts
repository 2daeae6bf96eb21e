import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  PHI_2_SHAPE_CONFIG,
  phi2ShapeParameters,
  phi2ShapeValues,
  type ShapeParameter,
} from "./phi-2-shape.ts";

interface ReferenceParameter {
  name: string;
  shape: number[];
  offset: number;
  sha256: string;
  sha256_head: string;
  sha256_tail: string;
}

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/phi-2-shape.json", import.meta.url), "utf8"),
) as { config: object; edge: number; parameters: ReferenceParameter[] };

const sha256 = (values: Float32Array): string =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");

const parameters = phi2ShapeParameters();
const referenceOf = ({ name }: ShapeParameter): ReferenceParameter =>
  fixture.parameters.find((reference) => reference.name === name)!;

describe("the computed model of Phi-2's shape", () => {
  it("has the configuration of the Python script", () => {
    const { architectures, ...config } = PHI_2_SHAPE_CONFIG;
    expect(config).toEqual(fixture.config);
    expect(architectures).toEqual(["PhiForCausalLM"]);
  });

  it("has the parameters of the Python script: names, shapes, order", () => {
    expect(parameters.map(({ name, shape, offset }) => ({ name, shape, offset }))).toEqual(
      fixture.parameters.map(({ name, shape, offset }) => ({ name, shape, offset })),
    );
    const last = parameters.at(-1)!;
    expect(last.offset + last.size).toBe(419_543_040);
  });

  it("has the same bits at both ends of every parameter", () => {
    for (const parameter of parameters) {
      const { size } = parameter;
      const edge = Math.min(fixture.edge, size);
      const reference = referenceOf(parameter);
      expect(sha256(phi2ShapeValues(parameter, 0, edge)), parameter.name).toBe(
        reference.sha256_head,
      );
      expect(sha256(phi2ShapeValues(parameter, size - edge)), parameter.name).toBe(
        reference.sha256_tail,
      );
    }
  });

  it("has the same bits in whole parameters of every kind that is small enough to hash here", () => {
    const small = parameters.filter(
      ({ name, size }) => size <= 51_200 || name.endsWith("layers.1.self_attn.k_proj.weight"),
    );
    expect(new Set(small.map(({ kind }) => kind))).toEqual(new Set(["bias", "norm", "matrix"]));
    for (const parameter of small)
      expect(sha256(phi2ShapeValues(parameter)), parameter.name).toBe(
        referenceOf(parameter).sha256,
      );
  });

  it("has values that are exact in 16-bit floats", () => {
    for (const parameter of parameters)
      for (const value of phi2ShapeValues(parameter, 0, 1000)) {
        const steps = Math.abs(value) * 32_768; // every value is a multiple of 2^-15 …
        expect(Number.isInteger(steps)).toBe(true);
        const significant = steps === 0 ? 0 : steps / (steps & -steps);
        expect(significant).toBeLessThanOrEqual(2048); // … with at most eleven significant bits
      }
  });
});
