/** Models behind an OpenAI-compatible endpoint. */
export {
  Endpoint,
  type Completion,
  type CompletionRequest,
  type EndpointCounts,
  type EndpointOptions,
} from "./client.ts";
