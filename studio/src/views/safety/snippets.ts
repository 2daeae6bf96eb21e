/** The same again from elsewhere. */
import { requestScript } from "../../api/script.ts";
import { commandLine, curl, literal, shellQuote, type Snippets } from "../../ui/snippets.ts";

const DATA = "~/.philab/data";

/** A run of `philab safety …` and of `/v1/lab/runs/safety-…`. */
export function runSnippets(
  name: "toxigen" | "behave" | "report",
  {
    standIns,
    ...body
  }: {
    model: string | undefined;
    data: string;
    limit?: number;
    against?: string;
    direction?: string;
    tasks?: readonly string[];
    judge?: string;
    standIns: string | undefined;
  },
): Snippets {
  const { model, data, limit, against, direction, tasks = [], judge } = body;
  const isStandIn = data.split("/")[0] === standIns;
  const path = `/v1/lab/runs/safety-${name}`;
  return {
    typescript: requestScript(
      path,
      body,
      "{ id }; then GET /v1/lab/runs/{id}/events, …/{id}/safety",
    ),
    cli: [
      ...(isStandIn ? [`philab safety stand-ins --out ${DATA}/${standIns}`] : []),
      // The home's ~ is the shell's to read: it must stay outside quotes.
      `${commandLine(["safety", name], { model, limit, against, judge, tasks: tasks.length === 0 ? undefined : tasks.join(",") })} --data ${inData(data)}${direction === undefined ? "" : ` --direction ${inData(direction)}`}`,
    ].join("\n"),
    curl: curl(path, body),
  };
}

function inData(name: string): string {
  return `${DATA}/${shellQuote(name)}`;
}

/** A direction: found by a command from two files, used by the library, asked of the server. */
export function directionSnippets(
  request: {
    model: string | undefined;
    positive: readonly string[];
    negative: readonly string[];
    begins: readonly string[];
    maxDivergence: number;
    minAddedScore: number;
    layer?: number;
  },
  layer: number | undefined,
): Snippets {
  const { model, positive, negative, begins, maxDivergence, minAddedScore } = request;
  const file = (name: string, prompts: readonly string[]): string =>
    [`cat > ${name} <<'END'`, ...prompts.map((text) => text.replaceAll("\n", "\\n")), "END"].join(
      "\n",
    );
  return {
    ...(layer === undefined || layer < 1
      ? {}
      : {
          typescript: [
            `import { open } from "philab";`,
            `import { steeringVector } from "philab/interpret";`,
            ``,
            `await using phi = await open(${model === undefined ? "" : JSON.stringify(model)});`,
            `const contrast = ${literal({ positive, negative })};`,
            `const { values } = await steeringVector(phi, contrast, { layer: ${layer - 1} });`,
            `const places = ["hook_embed", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out"] as const;`,
            `const edits = places.map((at) => ({ at, op: "projectOut" as const, directions: values }));`,
            `const { text } = await phi.complete(${JSON.stringify(positive[0] ?? "")}, { edits });`,
          ].join("\n"),
        }),
    cli: [
      file("positive.txt", positive),
      file("negative.txt", negative),
      [
        commandLine(["safety", "direction"], {
          ...{ model, positive: "positive.txt", negative: "negative.txt" },
          "max-divergence": maxDivergence,
          "min-added-score": minAddedScore,
          layer: request.layer,
        }),
        ...begins.map((text) => `--begins ${shellQuote(text)}`),
        // llama.cpp cannot change what block 0 writes.
        ...(layer !== undefined && layer > 1 ? ["--control-vector direction.gguf"] : []),
      ].join(" "),
    ].join("\n"),
    curl: curl("/v1/lab/direction", request),
  };
}
