/** The views, in the order of the navigation. Each is loaded when it is first opened. */
import type { Component } from "svelte";

export interface View {
  /** In addresses. */
  name: string;
  title: string;
  /** One line: what a person does here. */
  summary: string;
  load: () => Promise<{ default: Component }>;
}

export const VIEWS: readonly View[] = [
  {
    name: "playground",
    title: "Playground",
    summary: "Let models write, see what each token cost, and go on from another.",
    load: () => import("./views/playground/Playground.svelte"),
  },
  {
    name: "inspect",
    title: "Inspect",
    summary: "What happens inside on the way to the next token.",
    load: () => import("./views/inspect/Inspect.svelte"),
  },
  {
    name: "steer",
    title: "Steer",
    summary: "Change values inside, and see what the model says then.",
    load: () => import("./views/steer/Steer.svelte"),
  },
  {
    name: "features",
    title: "Features",
    summary: "What a model's activations are made of: browse, read out on a text, steer by.",
    load: () => import("./views/features/Features.svelte"),
  },
  {
    name: "dictionaries",
    title: "Dictionaries",
    summary: "Sparse autoencoders and transcoders side by side; train another, and measure it.",
    load: () => import("./views/dictionaries/Dictionaries.svelte"),
  },
  {
    name: "circuits",
    title: "Circuits",
    summary: "Which parts of a model tell each other what, for an answer.",
    load: () => import("./views/circuits/Circuits.svelte"),
  },
  {
    name: "graphs",
    title: "Graphs",
    summary: "How the features of a prompt make its answer, and whether that holds.",
    load: () => import("./views/graphs/Graphs.svelte"),
  },
  {
    name: "safety",
    title: "Safety",
    summary: "What a model refuses and prefers, what carries that inside, and what a change costs.",
    load: () => import("./views/safety/Safety.svelte"),
  },
  {
    name: "train",
    title: "Train",
    summary: "Teach a model something, watch it learn, and ask what came out.",
    load: () => import("./views/train/Train.svelte"),
  },
  {
    name: "evaluate",
    title: "Evaluate",
    summary:
      "The benchmarks of the Phi reports, with intervals, every item, and what is published.",
    load: () => import("./views/evaluate/Evaluate.svelte"),
  },
  {
    name: "data",
    title: "Data",
    summary:
      "What a model learns from: read, rated, cut; duplicates and benchmark items beside each other.",
    load: () => import("./views/data/Data.svelte"),
  },
  {
    name: "catalog",
    title: "Catalog",
    summary: "What models are, take and scored, side by side; what is here, loaded or not.",
    load: () => import("./views/catalog/Catalog.svelte"),
  },
  {
    name: "system",
    title: "System",
    summary: "What computes here and how fast, what is loaded, what waits, and what happened.",
    load: () => import("./views/system/System.svelte"),
  },
];
