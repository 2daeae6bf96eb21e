/** `/tokenize` and `/detokenize`, as llama.cpp's server has them. */
import { defineRoute, JSON_TYPE } from "../http/route.ts";
import { detokenizeRequest, tokenizeRequest } from "./schemas.ts";

export const tokenize = defineRoute({
  method: "POST",
  path: "/tokenize",
  summary: "Text to token ids",
  body: tokenizeRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, body) {
    const { model } = await fleet.use(body.model ?? undefined);
    const { tokens } = await model.call(
      "tokenize",
      { text: body.content, addSpecial: body.add_special, parseSpecial: body.parse_special },
      { signal },
    );
    if (!body.with_pieces) return Response.json({ tokens: tokens.map(({ id }) => id) });
    const isText = (token: string): boolean => !token.startsWith("bytes:\\x");
    return Response.json({
      tokens: tokens.map(({ id, token, bytes }) => ({ id, piece: isText(token) ? token : bytes })),
    });
  },
});

export const detokenize = defineRoute({
  method: "POST",
  path: "/detokenize",
  summary: "Token ids to text",
  body: detokenizeRequest,
  answers: [JSON_TYPE],
  async handle({ fleet, signal }, body) {
    const { model } = await fleet.use(body.model ?? undefined);
    const { text } = await model.call("detokenize", { ids: body.tokens }, { signal });
    return Response.json({ content: text });
  },
});
