/** A process that computes a little on a graphics card, and ends with 0 where that went well: `card-check.ts` asks it. */
import process from "node:process";
import { listDevices } from "./backend.ts";
import { newTensor } from "./emit.ts";
import { library, type DeviceKind } from "./library.ts";
import { Context } from "./memory.ts";

const kind = process.argv[2] as DeviceKind;
const { api } = library(kind);
const found = listDevices(kind).find((device) => device.kind === kind);
const backend = found && api.ggml_backend_dev_init(found.pointer, null);
if (!found || !backend) process.exit(1);

using context = new Context({ tensors: 4, graphNodes: 8 });
const x = newTensor(context.pointer, "f32", [64, 64]);
const product = api.ggml_mul_mat(context.pointer, x, x);
const graph = api.ggml_new_graph_custom(context.pointer, 8, false);
api.ggml_build_forward_expand(graph, api.ggml_add(context.pointer, product, x));
const memory = api.ggml_gallocr_new(api.ggml_backend_dev_buffer_type(found.pointer));
const computed =
  api.ggml_gallocr_alloc_graph(memory, graph) && api.ggml_backend_graph_compute(backend, graph);
process.exit(computed === 0 ? 0 : 1);
