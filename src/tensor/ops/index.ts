/** The operations on tensors: each checks its inputs, joins their graph, and records how its result was made. */
export * from "./attention.ts";
export * from "./copy.ts";
export * from "./elementwise.ts";
export * from "./layout.ts";
export * from "./lookup.ts";
export * from "./loss.ts";
export * from "./normalize.ts";
export * from "./product.ts";
export * from "./reduce.ts";
