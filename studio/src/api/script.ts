/** A request as a script makes it. */
import { literal } from "../ui/snippets.ts";

/** A POST of JSON in TypeScript. The key is not written down. */
export function requestScript(path: string, body: object, answer: string): string {
  return [
    `const response = await fetch(${JSON.stringify(new URL(path, location.origin).href)}, {`,
    `  method: "POST",`,
    `  headers: { "content-type": "application/json" },`,
    `  body: JSON.stringify(${literal(body, "  ")}),`,
    `});`,
    `console.log(await response.json()); // ${answer}`,
  ].join("\n");
}
