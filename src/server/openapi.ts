/** The OpenAPI 3.1 document, from the routes and the schemas that check their requests. */
import { z } from "zod";
import { packageVersion } from "../base/package.ts";
import type { Route } from "./http/route.ts";

export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, body, answers } of routes) {
    const operations = (paths[path.replace(/:(\w+)/g, "{$1}")] ??= {});
    const names = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
    operations[method.toLowerCase()] = {
      summary,
      parameters: names.map((name) => ({
        ...{ name, in: "path", required: true, schema: { type: "string" } },
      })),
      ...(body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: {
                "application/json": {
                  schema: z.toJSONSchema(body, { io: "input", unrepresentable: "any" }),
                },
              },
            },
          }),
      responses: {
        200: {
          description: summary,
          content: Object.fromEntries(answers.map((type) => [type, {}])),
        },
        default: {
          description: "What is wrong, and what to do",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "philab", version: packageVersion(), license: { name: "MIT" } },
    paths,
    components: { schemas: { Error: ERROR_SCHEMA } },
  };
}

const ERROR_SCHEMA = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: ["string", "null"] },
        code: { type: "string" },
        hint: { type: "string" },
      },
    },
  },
};
