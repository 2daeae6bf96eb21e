/** `POST /v1/embeddings`: the mean over a text's tokens of what the last norm gives, scaled to length 1. */
import { HttpError } from "../http/errors.ts";
import { defineRoute, JSON_TYPE } from "../http/route.ts";
import { embeddingRequest, promptsOf } from "./schemas.ts";

export const embeddings = defineRoute({
  method: "POST",
  path: "/v1/embeddings",
  summary: "Texts as vectors",
  body: embeddingRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, body) {
    const { model, adapter } = await fleet.use(body.model ?? undefined);
    const { width } = await model.facts();
    const dimensions = body.dimensions ?? width;
    if (dimensions > width)
      throw new HttpError(400, `vectors of ${model.id} have ${width} values, not ${dimensions}`, {
        param: "dimensions",
      });
    const args = { texts: promptsOf(body.input), dimensions, adapter };
    const { vectors, tokens } = await model.call("embed", args, { signal });
    return Response.json({
      object: "list",
      model: model.id,
      data: vectors.map((vector, index) => ({
        ...{ object: "embedding", index },
        embedding: body.encoding_format === "base64" ? base64(vector) : [...vector],
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  },
});

/** Little-endian f32, as OpenAI's clients read it. */
function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}
