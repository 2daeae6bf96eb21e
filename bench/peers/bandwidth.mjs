/**
 * The memory's read bandwidth behind JSON lines, from the build in `dist/`, in a process of its own so that nobody else's memory is counted.
 *
 *   measure { threads }   → { bytesPerSecond }
 */
import { Backend } from "../../dist/engine/backend.js";
import { readBandwidth } from "../../dist/tensor/probe.js";
import { serve } from "./json-lines.mjs";

let backend;

async function measure({ threads }) {
  backend ??= new Backend({ device: "cpu", threads });
  return { bytesPerSecond: await readBandwidth(backend, { repeats: 3 }) };
}

await serve({ measure });
